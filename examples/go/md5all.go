// Md5all prints the MD5 digest of every regular file below a directory,
// sorted by path. The Rust program beside it (src/bin/md5all.rs) says more.
package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
)

type report struct {
	path   string
	digest [md5.Size]byte
	err    error
}

func walk(root string, jobs chan<- string, reports chan<- report, done <-chan struct{}) {
	defer close(jobs)
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			select {
			case reports <- report{path: path, err: err}:
			case <-done:
				return filepath.SkipAll
			}
			return nil
		}
		if entry.Type().IsRegular() {
			select {
			case jobs <- path:
			case <-done:
				return filepath.SkipAll
			}
		}
		return nil
	})
}

func digestAll(jobs <-chan string, reports chan<- report, done <-chan struct{}) {
	buffer := make([]byte, 1<<16)
	for path := range jobs {
		r := report{path: path}
		r.digest, r.err = digest(path, buffer)
		select {
		case reports <- r:
		case <-done:
			return
		}
	}
}

func digest(path string, buffer []byte) (sum [md5.Size]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	hash := md5.New()
	for {
		n, err := file.Read(buffer)
		hash.Write(buffer[:n])
		if err == io.EOF {
			hash.Sum(sum[:0])
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: md5all DIR")
		os.Exit(2)
	}
	jobs := make(chan string, 1024)
	reports := make(chan report, 1024)
	done := make(chan struct{})
	defer close(done)

	var stages sync.WaitGroup
	stages.Go(func() { walk(os.Args[1], jobs, reports, done) })
	for range runtime.GOMAXPROCS(0) {
		stages.Go(func() { digestAll(jobs, reports, done) })
	}
	go func() {
		stages.Wait()
		close(reports)
	}()

	var all []report
	for r := range reports {
		all = append(all, r)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	failed := false
	var line bytes.Buffer
	for _, r := range all {
		if r.err != nil {
			failed = true
			fmt.Fprintln(os.Stderr, "md5all:", r.err)
			continue
		}
		line.Reset()
		name := escape.Replace(r.path)
		if name != r.path {
			line.WriteByte('\\')
		}
		fmt.Fprintf(&line, "%x  %s\n", r.digest, name)
		if _, err := out.Write(line.Bytes()); err != nil {
			os.Exit(1)
		}
	}
	if out.Flush() != nil || failed {
		os.Exit(1)
	}
}
