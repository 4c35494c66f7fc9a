//! Power series as streams of coefficients that are computed on demand.
//!
//! A series 1 + x + x²/2 + x³/6 + … is a goroutine that answers each demand
//! with the next exact coefficient: 1, 1, 1/2, 1/6, … Arithmetic on series is
//! goroutines that ask goroutines. Series may be defined by themselves, as
//! exp(x) = 1 + ∫ exp(x) is. The idea is M. Douglas McIlroy's (*Squinting at
//! Power Series*, Software: Practice and Experience 20(7), 1990).
//!
//! What it shows: why demand needs a channel of its own. A goroutine that
//! just sends computes one value ahead of its reader; one that is defined by
//! itself would start another of its kind to do so, and that one another, for
//! ever. Here nothing happens before it is asked for.
//!
//! What to read in it:
//! - [`Series::next`], [`Demand::wait`] and [`Demand::answer`]: the whole
//!   protocol, one channel each way. When nobody can ask any more, `wait` ends
//!   the goroutine, its own inputs are dropped with it, and whatever was built for a dropped series
//!   winds itself up.
//! - [`serve_both`]: one source, two readers, three things that may happen
//!   next in any order. That is what `select!` is for: while the source is at
//!   work on a coefficient, a reader may still need an older one, and with
//!   [`Series::recursive`] it is the source itself that does.
//! - the operations from [`Series::scale`] on, each a line or two of algebra,
//!   where F = f₀ + x·F₁.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::{Add, Mul};

use clap::Parser;
use gochan::goexit;
use gochan::prelude::*;
use num_rational::BigRational;
use num_traits::{One, Zero};

/// Print the first coefficients of some power series.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Coefficients to print of each series
    #[arg(long, value_name = "N", default_value = "10")]
    terms: NonZeroUsize,
}

#[gochan::main]
fn main() {
    let Options { terms } = Options::parse();
    let print = |name: &str, series: Series| {
        let terms: Vec<String> = (0..terms.get())
            .map(|_| series.next().to_string())
            .collect();
        println!("{name:<16} {}", terms.join(" "));
    };
    let x = || Series::polynomial([0, 1]);

    print("1/(1-x)", Series::polynomial([1, -1]).reciprocal());
    print("1/(1-x)^2", geometric().derive());
    print("1/(1-x-x^2)", Series::polynomial([1, -1, -1]).reciprocal());
    print("exp(x)", x().exp());
    print("exp(x+x^2)", Series::polynomial([0, 1, 1]).exp());
    print("log(1+x)", log());
    print("exp(log(1+x))", log().exp());
    print("atan(x)", atan());
    print("tan(x)", tan());
    print("1+tan(x)^2", {
        let (one, other) = tan().split();
        Series::polynomial([1]) + one * other
    });
    print("exp(tan(x))", x().exp().compose(tan()));
    print("reverse of x-x^2", Series::polynomial([0, 1, -1]).reverse());
}

/// 1/(1-x) = 1 + x + x² + …
fn geometric() -> Series {
    Series::polynomial([1, -1]).reciprocal()
}

/// log(1+x) = ∫ 1/(1+x)
fn log() -> Series {
    Series::polynomial([1, 1])
        .reciprocal()
        .integrate(integer(0))
}

/// atan(x) = ∫ 1/(1+x²)
fn atan() -> Series {
    Series::polynomial([1, 0, 1])
        .reciprocal()
        .integrate(integer(0))
}

/// tan(x), the series that atan(x) undoes.
fn tan() -> Series {
    atan().reverse()
}

/// A coefficient: a fraction of integers of any size.
type Coefficient = BigRational;

/// An integer as a coefficient.
fn integer(n: i64) -> Coefficient {
    Coefficient::from_integer(n.into())
}

/// A power series: the side that asks.
///
/// At most one demand is open at a time, so channels with room for one never
/// make the sender wait.
struct Series {
    demands: Sender<()>,
    coefficients: Receiver<Coefficient>,
}

/// A power series: the side that answers.
struct Demand {
    demands: Receiver<()>,
    coefficients: Sender<Coefficient>,
}

chan! {
    impl Series {
        /// The two sides of a series that no goroutine serves yet.
        fn sides() -> (Demand, Series) {
            let (ask, demands) = gochan::channel(1);
            let (answer, coefficients) = gochan::channel(1);
            (
                Demand { demands, coefficients: answer },
                Series { demands: ask, coefficients },
            )
        }

        /// The series whose coefficients `body` puts, in a goroutine of its own.
        fn new(body: impl FnOnce(Demand) + Send + 'static) -> Series {
            let (demand, series) = Series::sides();
            go!(body(demand));
            series
        }

        /// Asks for the next coefficient and waits for it.
        fn next(&self) -> Coefficient {
            self.demands <- ();
            (<-self.coefficients).expect("a series does not end")
        }
    }

    impl Demand {
        /// Waits until the next coefficient is asked for. Ends the goroutine when
        /// nobody is left to ask.
        fn wait(&self) {
            if (<-self.demands).is_none() {
                goexit();
            }
        }

        /// Sends the coefficient that was waited for.
        fn answer(&self, coefficient: Coefficient) {
            self.coefficients <- coefficient;
        }

        /// Computes a coefficient when it is asked for, and sends it; and so on
        /// for ever.
        fn put_all(&self, mut coefficient: impl FnMut() -> Coefficient) {
            loop {
                self.wait();
                self.answer(coefficient());
            }
        }
    }
}

/// One of the two readers of a split series, as the goroutine that serves both
/// sees it.
struct Reader {
    /// Nothing once the reader has left.
    demands: Option<Receiver<()>>,
    coefficients: Sender<Coefficient>,
    /// Whether a demand is open.
    asked: bool,
    /// What the other reader has had and this one has not.
    queue: VecDeque<Coefficient>,
}

impl Reader {
    fn new(demand: Demand) -> Reader {
        let Demand {
            demands,
            coefficients,
        } = demand;
        Reader {
            demands: Some(demands),
            coefficients,
            asked: false,
            queue: VecDeque::new(),
        }
    }

    /// Takes note of a demand, or of the end of demands.
    fn note(&mut self, demand: Option<()>) {
        match demand {
            Some(()) => self.asked = true,
            None => self.demands = None,
        }
    }

    /// Keeps a coefficient for this reader, unless it has left.
    fn keep(&mut self, coefficient: Coefficient) {
        if self.demands.is_some() {
            self.queue.push_back(coefficient);
        }
    }

    /// Answers an open demand from the queue. Returns whether one stays open.
    fn answer(&mut self) -> bool {
        if self.asked
            && let Some(coefficient) = self.queue.pop_front()
        {
            self.asked = false;
            if self.coefficients.send(coefficient).is_err() {
                self.demands = None;
            }
        }
        self.asked
    }
}

/// Serves two readers from one source. With `feedback`, the second reader is
/// part of the source itself, and does not keep it alive.
fn serve_both(source: Series, one: Demand, other: Demand, feedback: bool) {
    let (mut one, mut other) = (Reader::new(one), Reader::new(other));
    let mut waiting = false;
    while one.demands.is_some() || (other.demands.is_some() && !feedback) {
        select! {
            demand = <-one.demands => one.note(demand),
            demand = <-other.demands => other.note(demand),
            coefficient = <-source.coefficients => {
                // A source ends before its readers only when the series that it
                // is a part of is dropped: nobody will ask again.
                let Some(coefficient) = coefficient else { return };
                waiting = false;
                one.keep(coefficient.clone());
                other.keep(coefficient);
            }
        }
        let unanswered = one.answer() | other.answer();
        if unanswered && !waiting {
            chan! { source.demands <- (); }
            waiting = true;
        }
    }
}

impl Series {
    /// Two series like this one, which may be read at different paces.
    fn split(self) -> (Series, Series) {
        let (one, first) = Series::sides();
        let (other, second) = Series::sides();
        go!(serve_both(self, one, other, false));
        (first, second)
    }

    /// The series that `definition` makes of that series itself. It must not
    /// ask for a coefficient in order to compute the same one.
    fn recursive(definition: impl FnOnce(Series) -> Series) -> Series {
        let (one, series) = Series::sides();
        let (other, itself) = Series::sides();
        let source = definition(itself);
        go!(serve_both(source, one, other, true));
        series
    }

    /// The polynomial with these coefficients, lowest power first.
    fn polynomial<const N: usize>(coefficients: [i64; N]) -> Series {
        let mut coefficients = coefficients.into_iter();
        Series::new(move |out| out.put_all(|| integer(coefficients.next().unwrap_or(0))))
    }

    /// c + x·F
    fn after(self, first: Coefficient) -> Series {
        Series::new(move |out| {
            out.wait();
            out.answer(first);
            out.put_all(|| self.next());
        })
    }

    /// F₁, which is F without its first coefficient.
    fn rest(self) -> Series {
        Series::new(move |out| {
            out.wait();
            self.next();
            out.answer(self.next());
            out.put_all(|| self.next());
        })
    }

    /// c·F
    fn scale(self, factor: Coefficient) -> Series {
        Series::new(move |out| out.put_all(|| &factor * self.next()))
    }

    /// The derivative of F: n·fₙ goes with xⁿ⁻¹.
    fn derive(self) -> Series {
        let rest = self.rest();
        Series::new(move |out| {
            let mut n = Coefficient::zero();
            out.put_all(|| {
                n += Coefficient::one();
                &n * rest.next()
            });
        })
    }

    /// c + ∫ F
    fn integrate(self, constant: Coefficient) -> Series {
        let integral = Series::new(move |out| {
            let mut n = Coefficient::zero();
            out.put_all(|| {
                n += Coefficient::one();
                self.next() / &n
            });
        });
        integral.after(constant)
    }

    /// 1/F = R, where f₀R₁ + R·F₁ = 0; f₀ must not be zero.
    fn reciprocal(self) -> Series {
        Series::recursive(|reciprocal| {
            Series::new(move |out| {
                out.wait();
                let first = self.next().recip();
                out.answer(first.clone());
                let rest = (self * reciprocal).scale(-first);
                out.put_all(|| rest.next());
            })
        })
    }

    /// exp(F) = E = 1 + ∫ E·F′; f₀ must be zero, or 1 is not where E begins.
    fn exp(self) -> Series {
        Series::recursive(|exp| (exp * self.derive()).integrate(integer(1)))
    }

    /// F(G) = f₀ + G·F₁(G) = f₀ + x·G₁·F₁(G); g₀ must be zero.
    fn compose(self, g: Series) -> Series {
        Series::new(move |out| {
            out.wait();
            out.answer(self.next());
            out.wait();
            let (g, inner) = g.split();
            assert!(
                g.next().is_zero(),
                "a composed series must have no constant part"
            );
            let rest = g * self.compose(inner);
            out.answer(rest.next());
            out.put_all(|| rest.next());
        })
    }

    /// The series R that undoes F: F(R) = R·F₁(R) = x, so R = x / F₁(R).
    /// f₀ must be zero and f₁ not.
    fn reverse(self) -> Series {
        Series::recursive(|reverse| {
            let quotient = self.rest().compose(reverse).reciprocal();
            quotient.after(integer(0))
        })
    }
}

impl Add for Series {
    type Output = Series;

    /// F + G
    fn add(self, g: Series) -> Series {
        Series::new(move |out| out.put_all(|| self.next() + g.next()))
    }
}

impl Mul for Series {
    type Output = Series;

    /// F·G = f₀g₀ + x·(f₀G₁ + g₀F₁ + x·F₁G₁)
    fn mul(self, g: Series) -> Series {
        Series::new(move |out| {
            out.wait();
            let (f0, g0) = (self.next(), g.next());
            out.answer(&f0 * &g0);
            let (f, rest_of_f) = self.split();
            let (g, rest_of_g) = g.split();
            let linear = || &f0 * g.next() + &g0 * f.next();
            out.wait();
            out.answer(linear());
            let product = rest_of_f * rest_of_g;
            out.put_all(|| linear() + product.next());
        })
    }
}
