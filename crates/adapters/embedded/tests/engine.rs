//! The build options of SQLite.

use rusqlite::Connection;

#[test]
fn the_engine_is_built_with_our_flags() {
    let connection = Connection::open_in_memory().unwrap();
    let mut options = Vec::new();
    connection
        .pragma_query(None, "compile_options", |row| {
            options.push(row.get::<_, String>(0)?);
            Ok(())
        })
        .unwrap();
    let counts_memory = !options.contains(&"DEFAULT_MEMSTATUS=0".to_owned());
    assert!(!counts_memory, "{options:?}");
}
