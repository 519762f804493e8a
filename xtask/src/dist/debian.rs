//! The Debian package: dpkg-deb packs a tree that is laid out here.

use std::path::{Path, PathBuf};

use super::parts::{Parts, READ, RUN, packaging, put, write};
use super::shell;
use crate::failure::Failure;
use crate::project;

/// Settings of the default configuration that are others in the package: the commented line, and the set one.
const SETTINGS: [(&str, &str); 2] = [
    ("#data_dir = \"sukkal-data\"", "data_dir = \"/var/lib/sukkal\""),
    ("#plugin_dirs = [\"/usr/lib/sukkal/plugins\"]", "plugin_dirs = [\"/usr/lib/sukkal/plugins\"]"),
];

/// Packs `sukkal_VERSION_ARCHITECTURE.deb`.
pub fn pack(parts: &Parts, out: &Path, small: bool) -> Result<(), Failure> {
    let architecture = project::output(&mut project::command("dpkg", "--print-architecture"))?;
    let architecture = String::from_utf8_lossy(&architecture).trim().to_owned();
    let tree = out.join("tree");
    lay_out(parts, &tree)?;
    let size = size_in_kib(&tree)?;
    let control = packaging("debian/control")?;
    let control = control.replace("@VERSION@", &parts.version).replace("@ARCHITECTURE@", &architecture);
    let control = control.replace("@SIZE@", &size.to_string());
    write(&tree.join("DEBIAN/control"), control.as_bytes(), READ)?;
    for (file, mode) in [("conffiles", READ), ("postinst", RUN), ("prerm", RUN), ("postrm", RUN)] {
        put(&project::root().join("packaging/debian").join(file), &tree.join("DEBIAN").join(file), mode)?;
    }
    let package = out.join(format!("sukkal_{}_{architecture}.deb", parts.version));
    let mut pack = project::command("dpkg-deb", "--root-owner-group --build");
    pack.arg(if small { "-Zxz" } else { "-Znone" }).arg(&tree).arg(&package);
    project::run(&mut pack)?;
    std::fs::remove_dir_all(&tree).map_err(Failure::io(format!("cannot remove {}", tree.display())))
}

/// What is where on the machine that the package is installed on.
fn lay_out(parts: &Parts, tree: &Path) -> Result<(), Failure> {
    put(&parts.program, &tree.join("usr/bin/sukkal"), RUN)?;
    for library in &parts.libraries {
        let name = library.file_name().unwrap_or_default();
        put(library, &tree.join("usr/lib/sukkal/plugins").join(name), READ)?;
    }
    let unit = project::root().join("packaging/sukkal.service");
    put(&unit, &tree.join("usr/lib/systemd/system/sukkal.service"), READ)?;
    write(&tree.join("etc/sukkal/sukkal.toml"), configuration()?.as_bytes(), READ)?;
    shell::put_pages(&parts.program, tree)?;
    parts.put_sdk(&tree.join("usr/share/sukkal/sdk"))?;
    let documents = tree.join("usr/share/doc/sukkal");
    parts.put_documents(&documents)?;
    put(&project::root().join("packaging/debian/copyright"), &documents.join("copyright"), READ)
}

/// The default configuration, with the paths of the package.
fn configuration() -> Result<String, Failure> {
    let mut text = packaging("sukkal.toml")?;
    for (commented, set) in SETTINGS {
        if text.matches(commented).count() != 1 {
            return Err(Failure::Found(format!("packaging/sukkal.toml lacks the line `{commented}`")));
        }
        text = text.replace(commented, set);
    }
    Ok(text)
}

fn size_in_kib(folder: &Path) -> Result<u64, Failure> {
    let mut size = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    let failed = || Failure::io(format!("cannot look through {}", folder.display()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let metadata = entry.metadata().map_err(failed())?;
            if metadata.is_dir() { folders.push(entry.path()) } else { size += metadata.len().div_ceil(1024) }
        }
    }
    Ok(size)
}
