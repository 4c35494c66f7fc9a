// Crawler visits every page of a small built-in site with a few fetchers.
package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const fetchers = 3

var site = map[string][]string{
	"/":               {"/about", "/docs", "/blog", "https://example.org/"},
	"/about":          {"/", "/team"},
	"/team":           {"/about", "/team/ada", "/team/grace"},
	"/team/ada":       {"/team", "/blog/engines"},
	"/team/grace":     {"/team", "/blog/moths", "/docs/compilers"},
	"/docs":           {"/", "/docs/channels", "/docs/select", "/docs/compilers"},
	"/docs/channels":  {"/docs", "/docs/select"},
	"/docs/select":    {"/docs", "/docs/channels", "/docs/timers"},
	"/docs/compilers": {"/docs"},
	"/blog":           {"/", "/blog/engines", "/blog/moths", "/blog/drafts"},
	"/blog/engines":   {"/blog", "/team/ada", "/docs/timers"},
	"/blog/moths":     {"/blog", "/team/grace", "https://example.org/moths"},
	"/legal":          {"/"},
}

type page struct {
	address string
	links   []string
	missing bool
}

func fetch(address string) page {
	time.Sleep(time.Duration(len(address)%7) * time.Millisecond)
	links, ok := site[address]
	return page{address, links, !ok}
}

func crawl(start string) map[string]page {
	addresses := make(chan string)
	defer close(addresses)
	pages := make(chan page)
	for range fetchers {
		go func() {
			for address := range addresses {
				pages <- fetch(address)
			}
		}()
	}

	visited := make(map[string]page)
	seen := map[string]bool{start: true}
	waiting := []string{start}
	for underWay := 0; len(waiting) > 0 || underWay > 0; {
		var offer chan<- string // nil, and never ready, when nothing waits
		var next string
		if len(waiting) > 0 {
			offer, next = addresses, waiting[0]
		}
		select {
		case offer <- next:
			waiting = waiting[1:]
			underWay++
		case p := <-pages:
			underWay--
			for _, link := range p.links {
				if strings.HasPrefix(link, "/") && !seen[link] {
					seen[link] = true
					waiting = append(waiting, link)
				}
			}
			visited[p.address] = p
		}
	}
	return visited
}

func main() {
	pages := crawl("/")
	var sorted []string
	for address := range pages {
		sorted = append(sorted, address)
	}
	slices.Sort(sorted)

	missing := 0
	for _, address := range sorted {
		p := pages[address]
		if !p.missing {
			fmt.Printf("%-16s %d links\n", address, len(p.links))
			continue
		}
		missing++
		var from []string
		for _, other := range sorted {
			if slices.Contains(pages[other].links, address) {
				from = append(from, other)
			}
		}
		fmt.Printf("%-16s missing, linked from: %s\n", address, strings.Join(from, " "))
	}
	fmt.Printf("%d addresses visited, %d missing\n", len(pages), missing)
}
