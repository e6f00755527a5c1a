//! Tables for people: plain columns, so that they can be cut and grepped.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

/// A table without borders. Columns from `numbers` on are aligned to the right.
pub(crate) fn table(headers: &[String], rows: &[Vec<String>], numbers: usize) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headers);
    for row in rows {
        table.add_row(row);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if at >= numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The same, its cells folded where it would be wider than `width` characters.
pub(crate) fn folded(headers: &[String], rows: &[Vec<String>], width: u16) -> String {
    let plain = table(headers, rows, usize::MAX);
    if plain.lines().all(|line| line.chars().count() <= usize::from(width)) {
        return plain;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(headers).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A number with a thin mark every three digits: `1,234,567`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
