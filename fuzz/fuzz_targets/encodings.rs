//! See `sukkal_fuzz::encodings`.
#![cfg_attr(fuzzing, no_main)]
#![cfg_attr(not(fuzzing), forbid(unsafe_code))]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sukkal_fuzz::try_one(&sukkal_fuzz::ENCODINGS, input));

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, longest: usize, seed: u32| {
    match seed % 2 {
        0 => libfuzzer_sys::fuzzer_mutate(bytes, size, longest),
        _ => sukkal_fuzz::mutate::in_place(&sukkal_fuzz::ENCODINGS, bytes, size, longest, seed),
    }
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    sukkal_fuzz::replay(&sukkal_fuzz::ENCODINGS, std::env::args_os().skip(1))
}
