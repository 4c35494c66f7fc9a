//! What is sent coerces to the element type, as an argument would.

use gochan::prelude::*;
use std::fmt::Debug;

type Step = Box<dyn Fn(i32) -> i32 + Send>;

fn main() {
    let debugs = make!(chan Box<dyn Debug + Send>, 8);
    let steps = make!(chan Step, 8);
    let slices = make!(chan &[i32], 8);
    let lists = make!(chan Vec<Box<dyn Debug + Send>>, 8);
    let wide = make!(chan u64, 8);
    let results = make!(chan Result<i32, Box<dyn std::error::Error + Send + Sync>>, 8);
    let text = String::from("text");
    let texts = make!(chan &str, 8);
    chan! {
        debugs <- Box::new(1);
        debugs <- Box::new("two");
        steps <- Box::new(|x| x + 1);
        slices <- &[1, 2, 3];
        wide <- 1 << 40;
        results <- Ok(1);
        results <- Err("no".into());
        texts <- &text;
        lists <- vec![Box::new(1), Box::new("two")];
        assert_eq!((<-steps).unwrap()(1), 2);
        println!("{:?} {:?} {:?}", <-debugs, <-slices, <-lists);
    }
    select! {
        send(debugs, Box::new(1)) => {}
        steps <- Box::new(|x| x + 1) => {}
        send(slices, &[1, 2]) => {}
        send(wide, 1 << 40) => {}
        send(texts, &text) => {}
        send(results, Err("no".into())) => {}
    }
}
