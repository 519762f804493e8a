//! SDK 1.0: without what came later.

#[path = "../../derive.rs"]
mod derive;

fn main() {
    derive::sdk(&[
        ("abi/catalog.rs", "get_many(; keys: Vec<RecordKey>) -> Vec<Record>;", ""),
        ("abi/pool.rs", "usage(;) -> Usage;", ""),
        (
            "abi/root.rs",
            "    pub check: for<'a> extern \"C\" fn(RStr<'a>, RStr<'a>) -> ROption<RResult<(), ErrorForm>>,\n",
            "",
        ),
        ("abi/root.rs", "        check: Self::check,\n", ""),
    ]);
}
