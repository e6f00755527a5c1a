//! The laws, by trait. Each file ends with a macro that makes a test of each of its laws for a
//! store.

pub mod bookkeeping;
pub mod day_keys;
pub mod dead_letters;
pub mod keys;
pub mod latest;
pub mod look;
pub mod masters;
pub mod names;
pub mod records;
pub mod refusal;
pub mod sink;
pub mod table;
pub mod time_key;

/// A module of tests: one for each of these laws, against one store.
macro_rules! keep {
    ($store:ident, $module:ident: $($law:ident),+ $(,)?) => {
        mod $module {
            $(
                #[test]
                fn $law() {
                    crate::check::<super::$store>(crate::laws::$module::$law);
                }
            )+
        }
    };
}
pub(crate) use keep;
