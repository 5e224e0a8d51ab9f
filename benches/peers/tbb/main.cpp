// Urgent tasks by oneTBB: an arena of high priority over one of normal priority, both as wide as the machine. Workers go
// to the arena of the highest priority that has work, whenever they leave a task.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "../common/open_loop.hpp"

using open_loop::Request;
using open_loop::Run;
using tbb::task_arena;

static void make(Run &run, task_arena &arena) {
    arena.enqueue([&] {
        if (run.options.hogs)
            run.hog();
        else if (run.piece())
            make(run, arena);
    });
}

int main(int count, char **words) {
    auto options = open_loop::parse(count, words);
    // One more than the workers: by default the thread that submits counts as one.
    tbb::global_control threads(tbb::global_control::max_allowed_parallelism, options.workers + 1);
    task_arena ordinary(options.workers, 0, task_arena::priority::normal);
    task_arena urgent(options.workers, 0, task_arena::priority::high);
    Run run(options);
    double before = open_loop::ns_on_plain_threads(options, run.work);
    // A thread of its own, so that the fine timers of the generator are not passed on to the workers.
    ordinary.initialize();
    urgent.initialize();
    std::thread([&] {
        run.generate([&] { make(run, ordinary); },
                     [&](Request &request) { urgent.enqueue([&] { request.serve(); }); });
    }).join();
    run.print_load((before + open_loop::ns_on_plain_threads(options, run.work)) / 2);
    fflush(stdout);
    _Exit(0); // The end of the pool is not measured.
}
