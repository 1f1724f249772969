//! Labels whose values are known when the program is compiled.

use core::{fmt::Debug, hash::Hash};
use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::family::{Family, MetricConstructor},
};

/// A label: an enum without fields.
pub trait Label: Copy + Eq + Debug + Send + Sync + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value.
    const ALL: &'static [Self];

    /// The value's text: lower case and underscores.
    fn text(self) -> &'static str;
}

/// Declares an enum as a [`Label`]: `labels! { /// Doc. pub enum Outcome("outcome") { /// Doc. Stored => "stored", } }`.
#[macro_export]
macro_rules! labels {
    ($(#[$doc:meta])* $vis:vis enum $name:ident($label:literal) { $($(#[$value_doc:meta])* $value:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $crate::metrics::Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    };
}

/// A label whose values are a list in the program, such as the paths of a router, and `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// The label's name.
    pub label: &'static str,
    /// The values.
    pub values: &'static [&'static str],
}

impl Names {
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|known| *known == name)
    }

    pub(super) fn with_other(self) -> impl Iterator<Item = &'static str> {
        self.values.iter().copied().chain(["other"])
    }
}

/// Stands where there is no second label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLabel {}

impl Label for NoLabel {
    const NAME: &'static str = "";
    const ALL: &'static [Self] = &[];

    fn text(self) -> &'static str {
        match self {}
    }
}

/// Up to two labels of one series. Only built from text that the program contains.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LabelSet(Vec<(&'static str, &'static str)>);

impl LabelSet {
    fn of<L: Label>(value: L) -> Self {
        Self(vec![(L::NAME, value.text())])
    }

    pub(super) fn named<L: Label>(names: Names, value: &'static str, label: Option<&L>) -> Self {
        let mut pairs = vec![(names.label, value)];
        pairs.extend(label.map(|label| (L::NAME, label.text())));
        Self(pairs)
    }
}

impl EncodeLabelSet for LabelSet {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> core::fmt::Result {
        self.0.encode(encoder)
    }
}

/// The series of every value, made now so that they are there, at zero, before anything happens.
pub(super) fn cells<L: Label, R: Clone, M>(
    family: &Family<LabelSet, R, impl MetricConstructor<R>>,
    wrap: impl Fn(R) -> M,
) -> Arc<[M]> {
    L::ALL.iter().map(|value| wrap(family.get_or_create_owned(&LabelSet::of(*value)))).collect()
}
