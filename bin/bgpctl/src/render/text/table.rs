//! Columns that line up: headers, no borders, numbers to the right, long words cut where the screen ends.

use comfy_table::{CellAlignment, ContentArrangement, Table as Layout, presets};

use super::{Screen, takes_a_place};

/// Between two columns, where there is room.
const GAP: u16 = 2;
/// Between two columns on a crowded screen.
const NARROW_GAP: u16 = 1;
/// A column is not cut below this, whatever the screen.
const LEAST: usize = 8;

/// A table being filled.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A column. Cells may hold several lines.
pub(super) struct Column {
    header: &'static str,
    to_the_right: bool,
    may_be_cut: bool,
}

/// A column of words, shown in full.
pub(super) fn words(header: &'static str) -> Column {
    Column { header, to_the_right: false, may_be_cut: false }
}

/// A column of numbers.
pub(super) fn numbers(header: &'static str) -> Column {
    Column { header, to_the_right: true, may_be_cut: false }
}

/// A column of texts that give way when the screen is narrow.
pub(super) fn texts(header: &'static str) -> Column {
    Column { header, to_the_right: false, may_be_cut: true }
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lays the table out, each line behind `indent`.
    pub(super) fn render(mut self, screen: &Screen, indent: &str) -> String {
        let mut gap = GAP;
        if let Some(width) = screen.width {
            let width = width.saturating_sub(indent.len());
            let widths = self.widths();
            if total(&widths, gap) > width {
                gap = NARROW_GAP;
                self.cut(widths, width);
            }
        }
        let mut layout = Layout::new();
        layout.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        layout.set_header(self.columns.iter().map(|column| column.header));
        layout.add_rows(&self.rows);
        for (column, laid_out) in self.columns.iter().zip(layout.column_iter_mut()) {
            laid_out.set_padding((0, gap));
            if column.to_the_right {
                laid_out.set_cell_alignment(CellAlignment::Right);
            }
        }
        layout.lines().map(|line| format!("{indent}{line}").trim_end().to_owned() + "\n").collect()
    }

    /// Shortens what may be cut, the widest first, until the table is no wider than `width`.
    fn cut(&mut self, mut widths: Vec<usize>, width: usize) {
        let mut excess = total(&widths, NARROW_GAP).saturating_sub(width);
        let mut cut: Vec<usize> = (0..widths.len()).filter(|index| self.columns[*index].may_be_cut).collect();
        cut.sort_by_key(|index| std::cmp::Reverse(widths[*index]));
        for index in cut {
            let least = LEAST.max(self.columns[index].header.len()).min(widths[index]);
            let shorter = widths[index].saturating_sub(excess).max(least);
            excess -= widths[index] - shorter;
            widths[index] = shorter;
            for row in &mut self.rows {
                row[index] =
                    row[index].lines().map(|line| shorten(line, shorter)).collect::<Vec<_>>().join("\n");
            }
        }
    }

    fn widths(&self) -> Vec<usize> {
        let width = |index: usize| {
            let cells = self.rows.iter().flat_map(|row| row[index].lines());
            cells.map(visible).max().unwrap_or(0).max(self.columns[index].header.len())
        };
        (0..self.columns.len()).map(width).collect()
    }
}

fn total(widths: &[usize], gap: u16) -> usize {
    widths.iter().sum::<usize>() + usize::from(gap) * widths.len().saturating_sub(1)
}

/// Counts the characters that take a place.
fn visible(text: &str) -> usize {
    text.chars().filter(|character| takes_a_place(*character)).count()
}

/// Cuts a line; the marks in it stay, so that a colour ends where the line does.
fn shorten(line: &str, width: usize) -> String {
    if visible(line) <= width {
        return line.to_owned();
    }
    let mut places = 0;
    let mut short = String::new();
    for character in line.chars() {
        if takes_a_place(character) {
            places += 1;
            if places > width {
                continue;
            }
        }
        short.push(if places == width && takes_a_place(character) { '…' } else { character });
    }
    short
}
