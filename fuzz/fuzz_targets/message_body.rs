//! See `sukkal_fuzz::message_body`.
#![cfg_attr(fuzzing, no_main)]
#![cfg_attr(not(fuzzing), forbid(unsafe_code))]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sukkal_fuzz::try_one(&sukkal_fuzz::MESSAGE_BODY, input));

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    sukkal_fuzz::replay(&sukkal_fuzz::MESSAGE_BODY, std::env::args_os().skip(1))
}
