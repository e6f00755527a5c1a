//! Scans all keys in the order of the token ring.
//!
//! There is no index by master, because it would be a second record of which keys are live. A scan
//! takes minutes for millions of keys, and rotations are rare.

use std::{ops::ControlFlow, sync::PoisonError};

use scylla::response::PagingState;

use crate::{
    Fault, KeyEntry, KeyRow,
    cassandra::{
        fault::unexpected,
        vault::{
            Inner,
            keys::{aliases::token, key_row},
        },
    },
};

/// Rows per page. A page of such small rows is answered well within the request timeout.
const PAGE: i32 = 2000;
/// The start of the token ring.
const START: i64 = i64::MIN;

impl Inner {
    /// Returns keys that are wrapped by other masters. Continues where the last call for this
    /// master ended, so a rotation of n keys reads the table about twice. An empty result means
    /// that a scan of the whole ring found none.
    pub(crate) async fn wrapped_by_others(&self, master: u32, limit: usize) -> Result<Vec<KeyEntry>, Fault> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let from = *self.resume.lock().unwrap_or_else(PoisonError::into_inner).get(&master).unwrap_or(&START);
        let (mut found, mut last) = self.others(master, limit, from).await?;
        if found.is_empty() && from != START {
            (found, last) = self.others(master, limit, START).await?;
        }
        self.resume.lock().unwrap_or_else(PoisonError::into_inner).insert(master, last);
        Ok(found)
    }

    async fn others(&self, master: u32, limit: usize, from: i64) -> Result<(Vec<KeyEntry>, i64), Fault> {
        let (mut found, mut last) = (Vec::new(), START);
        self.scan(from, |position, entry| {
            if matches!(&entry.row, KeyRow::Live(key) if key.master != master) {
                last = position;
                found.push(entry);
            }
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await?;
        Ok((found, last))
    }

    pub(crate) async fn count_wrapped_by(&self, master: u32) -> Result<u64, Fault> {
        let mut count = 0;
        self.scan(START, |_, entry| {
            count += u64::from(matches!(entry.row, KeyRow::Live(key) if key.master == master));
            ControlFlow::Continue(())
        })
        .await?;
        Ok(count)
    }

    /// Calls `each` with every key from a position of the ring on, until it breaks.
    async fn scan(&self, from: i64, mut each: impl FnMut(i64, KeyEntry) -> ControlFlow<()>) -> Result<(), Fault> {
        type Columns = (i64, String, Vec<u8>, String, String, Option<i64>, Option<Vec<u8>>);
        let mut statement = self.cql.scan_keys.clone();
        statement.set_page_size(PAGE);
        let mut state = PagingState::start();
        loop {
            let (page, next) = self.store.session().execute_single_page(&statement, (from,), state).await?;
            let page = page.into_rows_result().map_err(|_| unexpected())?;
            for row in page.rows::<Columns>().map_err(|_| unexpected())? {
                let (position, space, subject, class, kind, master, sealed) = row.map_err(|_| unexpected())?;
                let entry = KeyEntry { space, token: token(&subject)?, class, row: key_row(&kind, master, sealed)? };
                if each(position, entry).is_break() {
                    return Ok(());
                }
            }
            match next.into_paging_control_flow() {
                ControlFlow::Continue(next) => state = next,
                ControlFlow::Break(()) => return Ok(()),
            }
        }
    }
}
