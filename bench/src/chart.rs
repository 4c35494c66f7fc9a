//! The ratios as a bar chart.

use std::error::Error;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use plotters::prelude::*;

use crate::summary::Comparison;

const ROW_HEIGHT: u32 = 16;
const WIDTH: u32 = 900;
const FASTER: RGBColor = RGBColor(46, 125, 50);
const SLOWER: RGBColor = RGBColor(198, 40, 40);

/// Draws one bar for each row that has a ratio, below a caption, from 1 to the ratio on a logarithmic axis: to the
/// left we are faster, to the right slower.
pub fn write_svg(path: &Path, caption: &str, rows: &[Comparison]) -> Result<()> {
    let bars: Vec<(String, f64)> = rows
        .iter()
        .filter_map(|row| Some((label(row), row.ratio?)))
        .collect();
    ensure!(!bars.is_empty(), "no ratios to draw");
    draw(path, caption, &bars).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

fn label(row: &Comparison) -> String {
    let peer = row
        .peer
        .map_or_else(String::new, |peer| format!(", {peer}"));
    format!("{}, {}{peer}", row.name, row.workers)
}

fn draw<'a>(
    path: &'a Path,
    caption: &str,
    bars: &[(String, f64)],
) -> Result<(), Box<dyn Error + 'a>> {
    let count = bars.len();
    let lowest = bars.iter().map(|bar| bar.1).fold(0.25, f64::min) / 1.2;
    let highest = bars.iter().map(|bar| bar.1).fold(2.0, f64::max) * 1.2;
    let height = ROW_HEIGHT * count as u32 + 90;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 18))
        .margin(10)
        .y_label_area_size(230)
        .x_label_area_size(35)
        .build_cartesian_2d(
            (lowest..highest).log_scale().base(2.0),
            (0..count).into_segmented(),
        )?;
    // The first bar stands at the top, so rows count down from the last segment.
    let label = |segment: &SegmentValue<usize>| match segment {
        SegmentValue::CenterOf(row) if *row < count => bars[count - 1 - row].0.clone(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(count + 1)
        .y_label_formatter(&label)
        .x_label_formatter(&|ratio| ratio.to_string())
        .x_desc("ratio, below 1 is faster")
        .draw()?;
    chart.draw_series(bars.iter().rev().enumerate().map(|(row, (_, ratio))| {
        let colour = if *ratio <= 1.0 { FASTER } else { SLOWER };
        let mut bar = Rectangle::new(
            [
                (ratio.min(1.0), SegmentValue::Exact(row)),
                (ratio.max(1.0), SegmentValue::Exact(row + 1)),
            ],
            colour.filled(),
        );
        bar.set_margin(2, 2, 0, 0);
        bar
    }))?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Samples;

    #[test]
    fn draws_a_bar_and_a_label_for_each_ratio() {
        let rows =
            [("ChanSync", 0.25), ("ChanSem", 1.5), ("MakeChan/Int", 1.0)].map(|(name, ratio)| {
                let samples = Samples {
                    ours: vec![ratio],
                    peer: vec![1.0],
                };
                Comparison::new(name, 2, &samples, None)
            });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chart.svg");
        write_svg(&path, "ours to theirs", &rows).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for label in [
            "ours to theirs",
            "ChanSync, 2",
            "ChanSem, 2",
            "MakeChan/Int, 2",
        ] {
            assert!(svg.contains(label), "{label} is not in {svg}");
        }
        assert!(svg.contains("#2E7D32") && svg.contains("#C62828"));
    }
}
