//! What `md5all` reads.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Files in the tree.
const FILES: usize = 4000;

/// Makes a tree of files, most of them small and a few large, about 70 MB in all.
pub fn make_tree(root: &Path) -> Result<()> {
    // What the files hold does not matter, but no two are the same.
    let bytes: Vec<u8> = (0..2_u32 << 20)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    for file in 0..FILES {
        let directory = root
            .join(format!("{:02}", file % 50))
            .join(format!("{}", file % 3));
        fs::create_dir_all(&directory)?;
        let size = match file % 100 {
            0 => 1 << 20,
            1..10 => 50_000 + file,
            10..50 => 5_000 + file,
            _ => file,
        };
        fs::write(
            directory.join(format!("{file:05}")),
            &bytes[file..file + size],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_has_files_of_many_sizes() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path()).unwrap();
        let file = |path| fs::metadata(directory.path().join(path)).unwrap().len();
        assert_eq!(file("00/0/00000"), 1 << 20);
        assert_eq!(file("01/0/03051"), 3051);
    }
}
