// Goroutines is Go's side of the program of that name: it starts goroutines that block on a
// receive, measures the memory, and lets them all finish.
//
//	goroutines N
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// figures has the names that the Rust side reads.
type figures struct {
	StartNs        int64 `json:"start_ns"`
	FinishNs       int64 `json:"finish_ns"`
	RssBytes       int64 `json:"rss_bytes"`
	PageTableBytes int64 `json:"page_table_bytes"`
	Mappings       int64 `json:"mappings"`
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: goroutines N")
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fail(err)
	}
	gate := make(chan struct{})
	var blocked, ended sync.WaitGroup
	before := kibibytes()

	begin := time.Now()
	blocked.Add(n)
	ended.Add(n)
	for range n {
		go func() {
			blocked.Done()
			<-gate
			ended.Done()
		}()
	}
	blocked.Wait()
	start := time.Since(begin)

	// The last ones are on their way from saying so to being blocked.
	time.Sleep(10 * time.Millisecond)
	after, mappings := kibibytes(), countMappings()

	begin = time.Now()
	close(gate)
	ended.Wait()
	finish := time.Since(begin)

	json.NewEncoder(os.Stdout).Encode(figures{
		StartNs:        start.Nanoseconds(),
		FinishNs:       finish.Nanoseconds(),
		RssBytes:       (after["VmRSS"] - before["VmRSS"]) << 10,
		PageTableBytes: (after["VmPTE"] - before["VmPTE"]) << 10,
		Mappings:       mappings,
	})
}

// kibibytes reads the lines of /proc/self/status that are amounts of memory.
func kibibytes() map[string]int64 {
	amounts := map[string]int64{}
	for line := range lines("/proc/self/status") {
		name, rest, _ := strings.Cut(line, ":")
		if text, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB"); ok {
			amounts[name], _ = strconv.ParseInt(text, 10, 64)
		}
	}
	return amounts
}

func countMappings() (count int64) {
	for range lines("/proc/self/maps") {
		count++
	}
	return count
}

func lines(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		file, err := os.Open(path)
		if err != nil {
			fail(err)
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			if !yield(scanner.Text()) {
				return
			}
		}
	}
}

func fail(message any) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}
