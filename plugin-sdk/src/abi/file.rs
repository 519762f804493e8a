//! What a file tells of itself before anything of it runs.

use std::fs;

use object::{Object as _, ObjectSymbol as _, ReadCache, ReadRef as _};

use super::load::{Refusal, SYMBOL};

/// What no plugin is larger than, in bytes: as much of a disk or of the memory its copy may take.
pub const LARGEST: u64 = 512 << 20;

/// Whether it is a whole library for this machine that exports what a plugin exports. Must come
/// first: the system's loader can be killed by a file that is cut short.
pub fn check(file: &fs::File) -> Result<(), Refusal> {
    let unreadable = |error: std::io::Error| (format!("cannot be read: {error}"), "try again".to_owned());
    let length = file.metadata().map_err(unreadable)?.len();
    let file = &ReadCache::new(file);
    let mend = || "build it with `cargo build --release` as a cdylib for this machine and copy it whole".to_owned();
    let not_a_library = |why: &str| (format!("is no shared library ({why})"), mend());
    let unparsed = |error: object::Error| not_a_library(&error.to_string().to_lowercase());
    if length == 0 {
        return Err(not_a_library("the file is empty"));
    }
    object::FileKind::parse(file).map_err(unparsed)?;
    // Its tables may claim all of it, and are read into memory.
    if length > LARGEST {
        let mend = "build it with `cargo build --release`, or take out of it what is for debuggers alone (`strip -g`)";
        return Err((format!("is larger than a plugin may be ({} MiB)", LARGEST >> 20), mend.to_owned()));
    }
    let library = object::File::parse(file).map_err(unparsed)?;
    let theirs = file.read_bytes_at(0, HEAD).ok().and_then(machine);
    if ours().is_some_and(|ours| Some(ours) != theirs) {
        return Err((format!("is a library for another machine ({:?})", library.architecture()), mend()));
    }
    if library.kind() != object::ObjectKind::Dynamic {
        return Err(not_a_library("it is an executable or an object file"));
    }
    check_whole(file, length).map_err(|why| (format!("is cut short ({why})"), mend()))?;
    let exported = library.dynamic_symbols().any(|symbol| symbol.name() == Ok(SYMBOL) && symbol.is_definition());
    if !exported {
        let fault = format!("is a library, but no Sukkal plugin (it does not export `{SYMBOL}`)");
        return Err((
            fault,
            "use sukkal_plugin_sdk::export_plugin! in its lib.rs, or take it out of the plugin directory".into(),
        ));
    }
    Ok(())
}

/// What of an ELF file tells its machine, in bytes.
const HEAD: u64 = 20;

/// Word size, byte order and machine, as the head of an ELF file has them.
fn machine(file: &[u8]) -> Option<[u8; 4]> {
    Some([*file.get(4)?, *file.get(5)?, *file.get(18)?, *file.get(19)?])
}

/// The machine of this very program.
fn ours() -> Option<[u8; 4]> {
    let mut head = [0; HEAD as usize];
    let mut program = std::env::current_exe().and_then(fs::File::open).ok()?;
    std::io::Read::read_exact(&mut program, &mut head).ok()?;
    machine(&head)
}

/// Everything that the file's own tables speak of must lie inside it.
fn check_whole(file: &ReadCache<&fs::File>, length: u64) -> Result<(), String> {
    use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
    let header = object::elf::FileHeader64::<object::Endianness>::parse(file).map_err(|error| error.to_string())?;
    let endian = header.endian().map_err(|error| error.to_string())?;
    let inside = |offset: u64, size: u64| offset.checked_add(size).is_some_and(|end| end <= length);
    for segment in header.program_headers(endian, file).map_err(|error| error.to_string())? {
        if !inside(segment.p_offset(endian), segment.p_filesz(endian)) {
            return Err("a segment ends beyond the file".to_owned());
        }
    }
    for section in header.section_headers(endian, file).map_err(|error| error.to_string())? {
        if section.file_range(endian).is_some_and(|(offset, size)| !inside(offset, size)) {
            return Err("a section ends beyond the file".to_owned());
        }
    }
    Ok(())
}
