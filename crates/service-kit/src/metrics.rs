//! Measurements, in the text format Prometheus reads.
//!
//! A label is a [`Label`]: an enum without fields, all of whose values exist from the start. There is no way to make
//! one from a group, a member, a drop or an address, neither by accident nor for a day of debugging.

mod label;
mod process;

use core::fmt;
use std::sync::{Arc, atomic::AtomicU64};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{
        counter::{ConstCounter, Counter as RawCounter},
        family::Family,
        gauge::{ConstGauge, Gauge as RawGauge},
        histogram::Histogram as RawHistogram,
    },
    registry::Registry,
};

pub use self::label::{Label, Names};
use self::label::{LabelSet, cells};

/// Media type of the text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets for what takes from 100 microseconds to 10 seconds.
pub const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Buckets for what has from 64 bytes to 16 MiB.
pub const BYTES: &[f64] =
    &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];
/// Buckets for counts from 1 to 1,024.
pub const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Something that only grows.
#[derive(Debug, Clone)]
pub struct Counter(RawCounter);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds several.
    pub fn inc_by(&self, n: u64) {
        self.0.inc_by(n);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Something that grows and shrinks.
#[derive(Debug, Clone)]
pub struct Gauge(RawGauge);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, n: i64) {
        self.0.set(n);
    }

    /// Adds one, and takes it away again when the guard is dropped.
    #[must_use]
    pub fn hold(&self) -> Held {
        self.0.inc();
        Held(self.0.clone())
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

/// One of what a [`Gauge`] counts.
#[derive(Debug)]
pub struct Held(RawGauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How often, by how much.
#[derive(Debug, Clone)]
pub struct Histogram(RawHistogram);

impl Histogram {
    /// Adds an observation.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }

    /// Adds a duration, in seconds.
    pub fn observe_duration(&self, duration: core::time::Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// One metric for each value of a label.
#[derive(Debug, Clone)]
pub struct By<L: 'static, M> {
    values: &'static [L],
    cells: Arc<[M]>,
}

impl<L: Label, M> By<L, M> {
    /// The metric of a value; `None` for a value that [`Label::ALL`] forgot.
    #[must_use]
    pub fn get(&self, value: L) -> Option<&M> {
        let index = self.values.iter().position(|known| *known == value)?;
        self.cells.get(index)
    }
}

impl<L: Label> By<L, Counter> {
    /// Adds one to the counter of a value.
    pub fn inc(&self, value: L) {
        self.inc_by(value, 1);
    }

    /// Adds several to the counter of a value.
    pub fn inc_by(&self, value: L, n: u64) {
        if let Some(counter) = self.get(value) {
            counter.inc_by(n);
        }
    }
}

impl<L: Label> By<L, Histogram> {
    /// Adds an observation to the histogram of a value.
    pub fn observe(&self, value: L, observed: f64) {
        if let Some(histogram) = self.get(value) {
            histogram.observe(observed);
        }
    }
}

/// All metrics of a process, while they are declared.
#[derive(Debug, Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// Those every process has: memory, open files, threads, processor time.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        Self(registry)
    }

    /// The part of a service, whose metrics are called `<service>_…`.
    pub fn scope(&mut self, service: &'static str) -> Scope<'_> {
        Scope(self.0.sub_registry_with_prefix(service))
    }

    /// Ends declaring.
    #[must_use]
    pub fn finish(self) -> Exposition {
        Exposition(Arc::new(self.0))
    }
}

/// Where one service declares its metrics. Names come without the service and, for counters, without `_total`; help is
/// a sentence without its full stop.
#[derive(Debug)]
pub struct Scope<'a>(&'a mut Registry);

impl Scope<'_> {
    /// A counter.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let counter = RawCounter::<u64, AtomicU64>::default();
        self.0.register(name, help, counter.clone());
        Counter(counter)
    }

    /// A counter for each value of a label.
    pub fn counter_by<L: Label>(&mut self, name: &'static str, help: &'static str) -> By<L, Counter> {
        let family = Family::<LabelSet, RawCounter>::default();
        self.0.register(name, help, family.clone());
        By { values: L::ALL, cells: cells::<L, _, _>(&family, Counter) }
    }

    /// A gauge.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = RawGauge::default();
        self.0.register(name, help, gauge.clone());
        Gauge(gauge)
    }

    /// A gauge whose value is asked for when it is read.
    pub fn gauge_of(
        &mut self,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> i64 + Send + Sync + 'static,
    ) {
        self.0.register_collector(Box::new(Asked { name, help, value: Box::new(value) }));
    }

    /// A histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> Histogram {
        let histogram = RawHistogram::new(buckets.iter().copied());
        self.0.register(name, help, histogram.clone());
        Histogram(histogram)
    }

    /// A histogram for each value of a label.
    pub fn histogram_by<L: Label>(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
    ) -> By<L, Histogram> {
        let make = move || RawHistogram::new(buckets.iter().copied());
        let family = Family::<LabelSet, RawHistogram, _>::new_with_constructor(make);
        self.0.register(name, help, family.clone());
        By { values: L::ALL, cells: cells::<L, _, _>(&family, Histogram) }
    }

    /// A counter for each of a fixed list of names and each value of a label.
    pub fn counter_by_name<L: Label>(
        &mut self,
        name: &'static str,
        help: &'static str,
        names: Names,
    ) -> ByName<By<L, Counter>> {
        let family = Family::<LabelSet, RawCounter>::default();
        self.0.register(name, help, family.clone());
        let cell = |value| {
            let raw =
                |label: &L| Counter(family.get_or_create_owned(&LabelSet::named(names, value, Some(label))));
            By { values: L::ALL, cells: L::ALL.iter().map(raw).collect() }
        };
        ByName { names, cells: names.with_other().map(cell).collect() }
    }

    /// A histogram for each of a fixed list of names.
    pub fn histogram_by_name(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: &'static [f64],
        names: Names,
    ) -> ByName<Histogram> {
        let make = move || RawHistogram::new(buckets.iter().copied());
        let family = Family::<LabelSet, RawHistogram, _>::new_with_constructor(make);
        self.0.register(name, help, family.clone());
        let cell = |value| {
            Histogram(family.get_or_create_owned(&LabelSet::named::<label::NoLabel>(names, value, None)))
        };
        ByName { names, cells: names.with_other().map(cell).collect() }
    }
}

/// One metric for each of a fixed list of names, and one for all others.
#[derive(Debug, Clone)]
pub struct ByName<M> {
    names: Names,
    cells: Arc<[M]>,
}

impl<M> ByName<M> {
    /// The metric of a name; that of "other" for a name that is not on the list.
    #[must_use]
    pub fn get(&self, name: Option<&str>) -> Option<&M> {
        let known = name.and_then(|name| self.names.position(name));
        known.and_then(|index| self.cells.get(index)).or_else(|| self.cells.last())
    }
}

/// A gauge that asks for its value.
struct Asked {
    name: &'static str,
    help: &'static str,
    value: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Asked {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        gauge(&mut encoder, self.name, self.help, (self.value)())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, &format!("{help}."), None, gauge.metric_type())?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, &format!("{help}."), None, counter.metric_type())?)
}

/// All metrics of a process, to be read.
#[derive(Debug, Clone)]
pub struct Exposition(Arc<Registry>);

impl Exposition {
    /// The text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string fails when a metric of ours does; half a text would be read as truth.
        if text::encode(&mut out, &self.0).is_err() {
            out.clear();
        }
        out
    }
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        let mut response = self.render().into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
        response
    }
}
