// Powerseries computes power series as streams of coefficients on demand. The
// Rust program beside it (src/bin/powerseries.rs) explains the algebra. Here
// nothing ends the goroutines of a series that is not needed any more; they
// are left behind until the program ends.
package main

import (
	"fmt"
	"math/big"
)

const terms = 10

type series struct {
	demands      chan struct{}
	coefficients chan *big.Rat
}

func newSeries() series {
	return series{make(chan struct{}, 1), make(chan *big.Rat, 1)}
}

func start(body func(out series)) series {
	s := newSeries()
	go body(s)
	return s
}

func (s series) next() *big.Rat {
	s.demands <- struct{}{}
	return <-s.coefficients
}

func (s series) wait()             { <-s.demands }
func (s series) answer(c *big.Rat) { s.coefficients <- c }

func (s series) putAll(coefficient func() *big.Rat) {
	for {
		s.wait()
		s.answer(coefficient())
	}
}

func integer(n int) *big.Rat       { return big.NewRat(int64(n), 1) }
func plus(a, b *big.Rat) *big.Rat  { return new(big.Rat).Add(a, b) }
func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }

type reader struct {
	series
	asked bool
	queue []*big.Rat
}

func (r *reader) serve() (unanswered bool) {
	if r.asked && len(r.queue) > 0 {
		r.answer(r.queue[0])
		r.queue = r.queue[1:]
		r.asked = false
	}
	return r.asked
}

func serveBoth(source, one, other series) {
	a, b := &reader{series: one}, &reader{series: other}
	waiting := false
	for {
		select {
		case <-a.demands:
			a.asked = true
		case <-b.demands:
			b.asked = true
		case c := <-source.coefficients:
			waiting = false
			a.queue, b.queue = append(a.queue, c), append(b.queue, c)
		}
		first, second := a.serve(), b.serve()
		if (first || second) && !waiting {
			source.demands <- struct{}{}
			waiting = true
		}
	}
}

func (s series) split() (series, series) {
	one, other := newSeries(), newSeries()
	go serveBoth(s, one, other)
	return one, other
}

func recursive(definition func(series) series) series {
	one, itself := newSeries(), newSeries()
	go serveBoth(definition(itself), one, itself)
	return one
}

func polynomial(coefficients ...int) series {
	return start(func(out series) {
		for _, c := range coefficients {
			out.wait()
			out.answer(integer(c))
		}
		out.putAll(func() *big.Rat { return integer(0) })
	})
}

func (s series) after(first *big.Rat) series {
	return start(func(out series) {
		out.wait()
		out.answer(first)
		out.putAll(s.next)
	})
}

func (s series) rest() series {
	return start(func(out series) {
		out.wait()
		s.next()
		out.answer(s.next())
		out.putAll(s.next)
	})
}

func (s series) scale(factor *big.Rat) series {
	return start(func(out series) {
		out.putAll(func() *big.Rat { return times(factor, s.next()) })
	})
}

func (s series) derive() series {
	rest := s.rest()
	return start(func(out series) {
		n := 0
		out.putAll(func() *big.Rat { n++; return times(integer(n), rest.next()) })
	})
}

func (s series) integrate(constant *big.Rat) series {
	return start(func(out series) {
		n := 0
		out.putAll(func() *big.Rat { n++; return times(big.NewRat(1, int64(n)), s.next()) })
	}).after(constant)
}

func (s series) add(g series) series {
	return start(func(out series) {
		out.putAll(func() *big.Rat { return plus(s.next(), g.next()) })
	})
}

func (s series) multiply(g series) series {
	return start(func(out series) {
		out.wait()
		f0, g0 := s.next(), g.next()
		out.answer(times(f0, g0))
		f1, restOfF := s.split()
		g1, restOfG := g.split()
		linear := func() *big.Rat { return plus(times(f0, g1.next()), times(g0, f1.next())) }
		out.wait()
		out.answer(linear())
		product := restOfF.multiply(restOfG)
		out.putAll(func() *big.Rat { return plus(linear(), product.next()) })
	})
}

func (s series) reciprocal() series {
	return recursive(func(reciprocal series) series {
		return start(func(out series) {
			out.wait()
			first := new(big.Rat).Inv(s.next())
			out.answer(first)
			out.putAll(s.multiply(reciprocal).scale(new(big.Rat).Neg(first)).next)
		})
	})
}

func (s series) exp() series {
	return recursive(func(exp series) series {
		return exp.multiply(s.derive()).integrate(integer(1))
	})
}

func (s series) compose(g series) series {
	return start(func(out series) {
		out.wait()
		out.answer(s.next())
		out.wait()
		g, inner := g.split()
		g.next()
		rest := g.multiply(s.compose(inner))
		out.answer(rest.next())
		out.putAll(rest.next)
	})
}

func (s series) reverse() series {
	return recursive(func(reverse series) series {
		return s.rest().compose(reverse).reciprocal().after(integer(0))
	})
}

func show(name string, s series) {
	fmt.Printf("%-16s", name)
	for range terms {
		fmt.Print(" ", s.next().RatString())
	}
	fmt.Println()
}

func main() {
	x := func() series { return polynomial(0, 1) }
	log := func() series { return polynomial(1, 1).reciprocal().integrate(integer(0)) }
	atan := func() series { return polynomial(1, 0, 1).reciprocal().integrate(integer(0)) }
	tan := func() series { return atan().reverse() }

	show("1/(1-x)", polynomial(1, -1).reciprocal())
	show("1/(1-x)^2", polynomial(1, -1).reciprocal().derive())
	show("1/(1-x-x^2)", polynomial(1, -1, -1).reciprocal())
	show("exp(x)", x().exp())
	show("exp(x+x^2)", polynomial(0, 1, 1).exp())
	show("log(1+x)", log())
	show("exp(log(1+x))", log().exp())
	show("atan(x)", atan())
	show("tan(x)", tan())
	one, other := tan().split()
	show("1+tan(x)^2", polynomial(1).add(one.multiply(other)))
	show("exp(tan(x))", x().exp().compose(tan()))
	show("reverse of x-x^2", polynomial(0, 1, -1).reverse())
}
