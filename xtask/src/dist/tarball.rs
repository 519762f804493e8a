//! The tarball: a folder from which the host runs as it is unpacked, its plugins beside it.

use std::path::Path;

use super::parts::{Parts, READ, RUN, put};
use crate::failure::Failure;
use crate::project;

/// Packs `sukkal-VERSION-MACHINE.tar.gz`.
pub fn pack(parts: &Parts, out: &Path, small: bool) -> Result<(), Failure> {
    let name = format!("sukkal-{}-linux-{}", parts.version, std::env::consts::ARCH);
    let folder = out.join(&name);
    put(&parts.program, &folder.join("sukkal"), RUN)?;
    for library in &parts.libraries {
        put(library, &folder.join(library.file_name().unwrap_or_default()), READ)?;
    }
    for file in ["sukkal.toml", "sukkal.service"] {
        put(&project::root().join("packaging").join(file), &folder.join(file), READ)?;
    }
    parts.put_documents(&folder)?;
    parts.put_sdk(&folder.join("sdk"))?;
    let compressor = if small { "gzip -9" } else { "gzip -1" };
    let mut tar = project::command("tar", "--create --owner=0 --group=0 --numeric-owner --sort=name");
    tar.arg(format!("--use-compress-program={compressor}"));
    tar.arg("--directory").arg(out).arg("--file").arg(out.join(format!("{name}.tar.gz"))).arg(&name);
    project::run(&mut tar)?;
    std::fs::remove_dir_all(&folder).map_err(Failure::io(format!("cannot remove {}", folder.display())))
}
