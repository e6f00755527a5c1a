//! Tables for people: plain columns, so that they can be cut and grepped.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets::NOTHING};

/// Returns a table without borders. Columns from `numbers` on are aligned to the right.
pub fn table(headers: &[String], rows: &[Vec<String>], numbers: usize) -> String {
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

/// Returns a table at most `width` characters wide: the cells of the column `folds` are folded, and
/// if that isn't enough, all of them.
pub fn folded(headers: &[String], rows: &[Vec<String>], width: u16, folds: usize) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(headers).add_rows(rows);
    // The last column has no gap behind it.
    let others: usize = table
        .column_max_content_widths()
        .iter()
        .enumerate()
        .map(|(at, wide)| if at == folds { 0 } else { usize::from(*wide) + 1 })
        .sum();
    let enough = others + usize::from(LEAST) < usize::from(width);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if enough && at != folds {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The narrowest readable column, in characters.
const LEAST: u16 = 16;

/// Returns a number with a comma every three digits: `1,234,567`.
pub fn number(value: u64) -> String {
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
