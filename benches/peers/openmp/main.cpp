// Urgent tasks by OpenMP: `priority(1)` over `priority(0)`, in a team of the workers and the thread that submits.
// Beyond 64 tasks for each thread libgomp runs a task at once on the thread that makes it, so fewer are ever queued.
#include <omp.h>
#include <unistd.h>

#include "../common/open_loop.hpp"

using open_loop::Request;
using open_loop::Run;

static void make(Run *run) {
#pragma omp task firstprivate(run) priority(0)
    {
        if (run->options.hogs)
            run->hog();
        else if (run->piece())
            make(run);
    }
}

static void submit(Request *request) {
#pragma omp task firstprivate(request) priority(1)
    {
        open_loop::require(omp_get_thread_num() != 0, "a task ran on the thread that submits");
        request->serve();
    }
}

int main(int count, char **words) {
    auto options = open_loop::parse(count, words);
    if (!getenv("OMP_MAX_TASK_PRIORITY")) {
        // The runtime reads it before main: start again with it.
        setenv("OMP_MAX_TASK_PRIORITY", "1", 1);
        execv("/proc/self/exe", words);
    }
    open_loop::require(omp_get_max_task_priority() == 1, "OMP_MAX_TASK_PRIORITY is set");
    // Both kinds together stay below the limit of 192 for a team of three.
    Run run(options, options.hogs ? 150 : 30);
    double before = open_loop::ns_on_plain_threads(options, run.work);
#pragma omp parallel num_threads(options.workers + 1)
    {
        // The others go on to the end of the region, where they run tasks.
#pragma omp masked
        run.generate([&] { make(&run); }, [&](Request &request) { submit(&request); });
    }
    open_loop::sleep_until(open_loop::now_ns() + 50000000); // Its threads spin a while before they sleep.
    run.print_load((before + open_loop::ns_on_plain_threads(options, run.work)) / 2);
}
