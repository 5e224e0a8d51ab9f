// Urgent tasks by Go, which has no priorities: the Go twin of ../common/open_loop.hpp. The goroutine that submits is
// locked to a thread; as any goroutine it needs a turn on one of the processors to submit, which is part of the answer.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type options struct {
	hogs, respawning                                                                bool
	workers                                                                         int
	every, burst, body0, body1, warmUp, counted, giveUp, taskUs, depth, calibration int64
}

type request struct {
	steps, answer         uint64
	due, submitted        int64
	started, done, serves int64
}

var (
	given      options
	requests   []request
	pieceSteps uint64
	pieceRight uint64
	stop       int32
	made, done int64
	hogs       int64
)

func clockNs(which uintptr) int64 {
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, which, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}

var epoch = time.Now()

// The runtime reads the clock without a system call.
func nowNs() int64 { return int64(time.Since(epoch)) + 1 }

// A system call that blocks, so that the timers of the runtime do not make the generator late.
func sleepUntil(ns int64) {
	if left := ns - nowNs(); left > 0 {
		span := syscall.NsecToTimespec(left)
		syscall.Nanosleep(&span, nil)
	}
}

func require(condition bool, what string) {
	if !condition {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

//go:noinline
func burn(steps uint64) uint64 {
	state := steps
	for step := uint64(0); step < steps; step++ {
		state = state*6364136223846793005 + 1
	}
	return state
}

var stepsPerUs float64

func lastingUs(us int64) (uint64, uint64) {
	if stepsPerUs == 0 {
		best := int64(1) << 62
		for round := 0; round < 50; round++ {
			start := nowNs()
			burn(100000)
			if took := nowNs() - start; took < best {
				best = took
			}
		}
		stepsPerUs = 1e8 / float64(best)
	}
	steps := uint64(float64(us) * stepsPerUs)
	return steps, burn(steps)
}

func (r *request) serve() {
	atomic.StoreInt64(&r.started, nowNs())
	require(burn(r.steps) == r.answer, "a wrong answer has no latency")
	atomic.StoreInt64(&r.done, nowNs())
	atomic.AddInt64(&r.serves, 1)
}

func doPiece() { require(burn(pieceSteps) == pieceRight, "a wrong answer has no speed") }

func hog() {
	atomic.AddInt64(&hogs, 1)
	for atomic.LoadInt32(&stop) == 0 {
		doPiece()
	}
}

func piece() {
	doPiece()
	if given.respawning && atomic.LoadInt32(&stop) == 0 {
		atomic.AddInt64(&made, 1)
		go piece()
	}
	atomic.AddInt64(&done, 1)
}

// Nanoseconds of CPU time that a piece takes where as many goroutines as processors do nothing else for a while.
func nsOnPlainThreads() float64 {
	var pieces int64
	before := clockNs(processCPUTime)
	var all sync.WaitGroup
	for index := 0; index < given.workers; index++ {
		all.Add(1)
		go func() {
			for start := nowNs(); nowNs() < start+given.calibration; atomic.AddInt64(&pieces, 1) {
				doPiece()
			}
			all.Done()
		}()
	}
	all.Wait()
	return float64(clockNs(processCPUTime)-before) / float64(pieces)
}

func isServed(index int) bool { return atomic.LoadInt64(&requests[index].serves) > 0 }

func served() int {
	count := 0
	for index := range requests {
		if isServed(index) {
			count++
		}
	}
	return count
}

func fillAt(at int64) {
	if given.hogs || given.respawning {
		return
	}
	sleepUntil(at)
	fill()
}

func fill() {
	for atomic.LoadInt64(&made) < atomic.LoadInt64(&done)+given.depth {
		atomic.AddInt64(&made, 1)
		go piece()
	}
}

func startLoad() {
	if !given.hogs {
		fill()
		return
	}
	for index := 0; index < given.workers; index++ {
		go hog()
	}
	for atomic.LoadInt64(&hogs) < int64(given.workers) {
		sleepUntil(nowNs() + 1000000)
	}
}

const (
	processCPUTime = 2
	threadCPUTime  = 3
	setTimerSlack  = 29
)

// Returns what the line `load` needs but the time of a piece.
func generate() (wall, pieces, generator int64, submitted int) {
	runtime.LockOSThread()
	syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0)
	startLoad()
	start := nowNs() + 5000000
	turn := start
	var from, cpu, before int64
	for submitted < len(requests) {
		sleepUntil(turn - 30000)
		for nowNs() < turn {
		}
		if int64(submitted) == given.warmUp {
			from, cpu, before = turn, clockNs(threadCPUTime), atomic.LoadInt64(&done)
		}
		for index := int64(0); index < given.burst; index++ {
			request := &requests[submitted]
			request.due, request.submitted = turn, nowNs()
			go request.serve()
			submitted++
		}
		fillAt(turn + given.every/2)
		turn += given.every
		if nowNs() > start+given.giveUp && !isServed(0) {
			break
		}
	}
	sleepUntil(turn)
	wall, generator = nowNs()-from, clockNs(threadCPUTime)-cpu
	pieces = atomic.LoadInt64(&done) - before
	for end := turn + given.giveUp; turn < end && isServed(0) && served() < submitted; turn += given.every {
		fillAt(turn)
		sleepUntil(turn)
	}
	return
}

func printRequests() {
	for index := given.warmUp; index < int64(len(requests)); index++ {
		request := &requests[index]
		submitted, started, finished := int64(-1), int64(-1), int64(-1)
		if request.submitted > 0 {
			submitted = request.submitted - request.due
		}
		if isServed(int(index)) {
			started, finished = request.started-request.due, request.done-request.due
		}
		fmt.Println("request", submitted, started, finished)
	}
}

func main() {
	require(len(os.Args) == 12, "the harness passes eleven words")
	number := func(index int) int64 {
		value, err := strconv.ParseInt(os.Args[index], 10, 64)
		require(err == nil, "a number is expected")
		return value
	}
	given = options{os.Args[1] == "hogs", os.Args[1] == "respawning", int(number(2)), number(3), number(4), number(5),
		number(6), number(7), number(8), number(9), number(10), number(11), 200000000}
	if given.counted < 1000 {
		given.calibration = 3000000
	}
	runtime.GOMAXPROCS(given.workers)
	pieceSteps, pieceRight = lastingUs(given.taskUs)
	requests = make([]request, given.warmUp+given.counted)
	for index := range requests {
		body := given.body0
		if index%2 == 1 {
			body = given.body1
		}
		requests[index].steps = uint64(float64(body) * stepsPerUs)
		requests[index].answer = burn(requests[index].steps)
	}
	before := nsOnPlainThreads()
	wall, pieces, generator, submitted := generate()
	printRequests()
	atomic.StoreInt32(&stop, 1)
	deadline := nowNs() + 20000000000
	for served() < submitted || atomic.LoadInt64(&done) < atomic.LoadInt64(&made) {
		require(nowNs() < deadline, "a task was lost")
		time.Sleep(time.Millisecond)
	}
	for index := range requests {
		require(requests[index].serves <= 1, "an urgent task ran twice")
	}
	require(done == made, "an ordinary task ran twice")
	fmt.Printf("load %d %d %d %.1f\n", wall, pieces, generator, (before+nsOnPlainThreads())/2)
}
