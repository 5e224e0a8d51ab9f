// The C++ twin of common/open_loop.rs and common/work.rs: urgent requests at fixed moments, latencies from the due time.
// A peer says how it submits an urgent task and an ordinary one; the rest is here, and is the same as in Rust.
#pragma once

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace open_loop {

inline int64_t clock_ns(clockid_t which) {
    timespec time;
    clock_gettime(which, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}
inline int64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

inline void sleep_until(int64_t ns) {
    timespec time{ns / 1000000000, ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

inline void require(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "%s\n", what);
    _Exit(1);
}

// A piece of CPU time that checks what it computed.
inline uint64_t burn(uint64_t steps) {
    uint64_t state = steps;
    for (uint64_t step = 0; step < steps; step++) {
        state = state * 6364136223846793005ULL + 1;
        asm volatile("" : "+r"(state));
    }
    return state;
}

struct Work {
    uint64_t steps = 0, answer = 0;
    static Work lasting_us(double us) {
        static const double steps_per_us = [] {
            int64_t best = INT64_MAX;
            for (int round = 0; round < 50; round++) {
                int64_t start = now_ns();
                burn(100000);
                best = std::min(best, now_ns() - start);
            }
            return 1e8 / double(best);
        }();
        uint64_t steps = uint64_t(us * steps_per_us);
        return {steps, burn(steps)};
    }
    void run() const { require(burn(steps) == answer, "a wrong answer has no speed"); }
};

struct Options {
    bool hogs, respawning;
    int workers;
    int64_t every_ns, burst, body_us[2], warm_up, counted, give_up_ns, task_us, depth;
};

inline Options parse(int count, char **words) {
    require(count == 12, "the harness passes eleven words");
    auto number = [&](int index) { return atoll(words[index]); };
    Options options{!strcmp(words[1], "hogs"), !strcmp(words[1], "respawning"), int(number(2)), number(3), number(4),
                    {number(5), number(6)}, number(7), number(8), number(9), number(10), number(11)};
    return options;
}

struct Request {
    Work work;
    int64_t due = 0, submitted = 0;
    std::atomic<int64_t> started{0}, done{0};
    std::atomic<int> serves{0};
    void serve() {
        started = now_ns();
        work.run();
        done = now_ns();
        serves++;
    }
};

// Nanoseconds of CPU time that a piece takes where plain threads do nothing else for a while.
inline double ns_on_plain_threads(const Options &options, Work work) {
    int64_t time = options.counted < 1000 ? 3000000 : 200000000;
    std::atomic<int64_t> pieces{0};
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    std::vector<std::thread> threads;
    for (int index = 0; index < options.workers; index++)
        threads.emplace_back([&] {
            for (int64_t start = now_ns(); now_ns() < start + time; pieces++) work.run();
        });
    for (auto &thread : threads) thread.join();
    return double(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before) / double(pieces);
}

// The load and the requests of a run.
struct Run {
    Options options;
    Work work;
    std::vector<std::unique_ptr<Request>> requests;
    std::atomic<bool> stop{false};
    std::atomic<int64_t> made{0}, done{0}, hogs{0};
    int64_t submitted = 0, wall_ns = 0, pieces = 0, generator_ns = 0;
    int64_t queued_max; // Of both kinds together; more wait, unsubmitted.

    explicit Run(Options given, int64_t most = INT64_MAX) : options(given), queued_max(most) {
        work = Work::lasting_us(double(options.task_us));
        Work bodies[2] = {Work::lasting_us(double(options.body_us[0])), Work::lasting_us(double(options.body_us[1]))};
        for (int64_t index = 0; index < options.warm_up + options.counted; index++) {
            requests.push_back(std::make_unique<Request>());
            requests.back()->work = bodies[index % 2];
        }
    }

    void hog() {
        hogs++;
        while (!stop) work.run();
    }

    // What an ordinary task does; `true` if it should spawn itself again.
    bool piece() {
        work.run();
        bool again = options.respawning && !stop;
        made += again;
        done++;
        return again;
    }

    int64_t served() const {
        int64_t count = 0;
        for (auto &request : requests) count += request->serves > 0;
        return count;
    }

    // Runs on the thread that submits; `make` makes an ordinary task (or a hog), `submit` an urgent one.
    template <class Make, class Submit> void generate(Make make, Submit submit) {
        prctl(PR_SET_TIMERSLACK, 1);
        auto fill = [&] {
            for (; made < done + options.depth; make()) made++;
        };
        if (options.hogs) {
            for (int index = 0; index < options.workers; index++) make();
            while (hogs < options.workers) sleep_until(now_ns() + 1000000);
        } else {
            fill();
        }
        auto fill_at = [&](int64_t at) {
            if (options.hogs || options.respawning) return;
            sleep_until(at);
            fill();
        };
        int64_t due_count = 0, total = int64_t(requests.size()), seen = 0;
        auto submit_due = [&] {
            while (seen < submitted && requests[seen]->serves > 0) seen++;
            for (; submitted < due_count && submitted - seen < queued_max; submitted++) {
                requests[submitted]->submitted = now_ns();
                submit(*requests[submitted]);
            }
        };
        int64_t start = now_ns() + 5000000, turn = start, from = 0, cpu = 0, before = 0;
        for (; due_count < total; turn += options.every_ns) {
            sleep_until(turn - 30000);
            while (now_ns() < turn) asm volatile("pause");
            if (due_count == options.warm_up) {
                from = turn;
                cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
                before = done;
            }
            for (int64_t index = 0; index < options.burst; index++) requests[due_count++]->due = turn;
            submit_due();
            fill_at(turn + options.every_ns / 2);
            if (now_ns() > start + options.give_up_ns && !requests[0]->serves) break;
        }
        sleep_until(turn);
        wall_ns = now_ns() - from;
        generator_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
        pieces = done - before;
        for (int64_t end = turn + options.give_up_ns; turn < end; turn += options.every_ns) {
            if (!requests[0]->serves || served() == due_count) break;
            submit_due();
            fill_at(turn);
            sleep_until(turn);
        }
        // The figures are taken before the load ends: what is served after that was never served.
        for (int64_t index = options.warm_up; index < total; index++) print(*requests[index]);
        stop = true;
        int64_t deadline = now_ns() + 20000000000LL;
        while (served() < submitted || done < made) {
            require(now_ns() < deadline, "a task was lost");
            sleep_until(now_ns() + 1000000);
        }
        for (auto &request : requests) require(request->serves <= 1, "an urgent task ran twice");
        require(options.hogs || done == made, "an ordinary task ran twice");
    }

    static void print(const Request &request) {
        auto after_due = [&](bool happened, int64_t time) { return happened ? (long long)(time - request.due) : -1LL; };
        bool served = request.serves > 0;
        printf("request %lld %lld %lld\n", after_due(request.submitted > 0, request.submitted),
               after_due(served, request.started), after_due(served, request.done));
    }

    void print_load(double piece_ns) const {
        printf("load %lld %lld %lld %.1f\n", (long long)wall_ns, (long long)pieces, (long long)generator_ns, piece_ns);
    }
};

} // namespace open_loop
