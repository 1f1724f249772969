//! One open stream of a [`PollingSource`].

use std::{collections::VecDeque, time::Duration};

use frame_log::{BucketRange, SourceError, SourceItem, Sourced};
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use protocol::{GroupId, Seq};
use tokio::time::{Instant, sleep};

use super::{
    PollingSource,
    shown::{MOST, Mark, Shown},
};
use crate::{
    document,
    source::{
        self, failure,
        place::{Marks, number, timestamp},
    },
};

/// Most bytes of documents taken from one answer.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most identities one step of a sweep looks at.
const SWEEP_PAGE: u32 = 4_096;
/// Between two sweeps. A late record is shown later by at most this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Where a reader stands, and what waits for it.
pub(super) struct Reader {
    source: PollingSource,
    buckets: BucketRange,
    marks: Marks,
    shown: Shown,
    /// At most one page of records.
    ready: VecDeque<Sourced>,
    /// Whether the first step has told where the reader stands.
    greeted: bool,
    /// Until the next question, `None` if there is more to be had at once.
    delay: Option<Duration>,
    sweep: Option<Sweep>,
    swept: Option<Instant>,
}

/// A second look at what lies between the marks, as far as it has got.
struct Sweep {
    at: u64,
    until: u64,
    /// Up to here nothing more could come when it began.
    settled: u64,
}

/// Documents of one answer.
struct Answer {
    documents: Vec<RawDocumentBuf>,
    /// Whether there may be more.
    full: bool,
}

impl Reader {
    pub(super) fn new(source: PollingSource, buckets: BucketRange, marks: Marks) -> Self {
        let (shown, ready) = (Shown::default(), VecDeque::new());
        Self { source, buckets, marks, shown, ready, greeted: false, delay: None, sweep: None, swept: None }
    }

    /// The next thing to show; waits for it.
    pub(super) async fn step(&mut self) -> Result<Sourced, SourceError> {
        if !self.greeted {
            self.greeted = true;
            return Ok(Sourced { after: self.marks.place()?, item: SourceItem::Idle });
        }
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(step);
            }
            if let Some(delay) = self.delay {
                sleep(delay).await;
            }
            self.poll().await?;
        }
    }

    /// Asks for what is new, and now and then for what is late.
    async fn poll(&mut self) -> Result<(), SourceError> {
        let batch = self.source.options.batch.max(1);
        let page = self.documents(self.between(self.marks.high, None), batch).await?;
        self.show(page.documents, true).await?;
        if self.sweep.is_none() && self.due() {
            self.begin_sweep().await?;
        }
        self.go_on_sweeping(batch).await?;
        let news = !self.ready.is_empty();
        let (poll, idle) = (self.source.options.poll, self.source.options.idle_poll);
        self.delay = match self.delay {
            _ if page.full || self.sweep.is_some() => None,
            Some(last) if !news => Some((last * 2).min(idle.max(poll))),
            _ => Some(poll),
        };
        Ok(())
    }

    /// Whether it is time to look again at what lies between the marks.
    fn due(&self) -> bool {
        let long_ago = self.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        self.marks.low < self.marks.high && (long_ago || self.shown.len() > MOST)
    }

    /// Begins a sweep, unless what is there is as much as was shown.
    async fn begin_sweep(&mut self) -> Result<(), SourceError> {
        let settled = self.source.settled(self.source.tick().await?);
        let until = self.marks.high;
        let all = self.source.frames.count_documents(self.between(self.marks.low, Some(until)));
        let there = failure::within(self.source.options.patience, all).await?;
        self.sweep = Some(Sweep { at: self.marks.low, until, settled });
        if usize::try_from(there) == Ok(self.shown.len()) {
            self.swept_to(until, true)?;
        }
        Ok(())
    }

    /// Shows what was not shown before of the next stretch of a sweep, if there is one.
    async fn go_on_sweeping(&mut self, most: u32) -> Result<(), SourceError> {
        let Some(Sweep { at, until, .. }) = self.sweep else { return Ok(()) };
        let ids = self.identities(self.between(at, Some(until))).await?;
        let full = ids.len() >= usize::try_from(SWEEP_PAGE).unwrap_or(usize::MAX);
        let last = ids.last().map_or(until, |(mark, _)| mark.0);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut late: Vec<(Mark, Bson)> =
            ids.into_iter().filter(|(mark, _)| !self.shown.contains(mark)).collect();
        // Where to go on: at records that were not looked at, or not all of one time.
        let mut next = if full { last.saturating_sub(1) } else { until };
        if late.len() > most {
            late.truncate(most);
            next = late.last().map_or(next, |(mark, _)| mark.0.saturating_sub(1));
        }
        if late.is_empty() {
            // More records of one time than fit in a page, all of them known.
            return self.swept_to(if next > at { next } else { last }, !full);
        }
        let wanted = late.len();
        let ids: Vec<Bson> = late.into_iter().map(|(_, id)| id).collect();
        let found =
            self.documents(doc! { "_id": { "$in": ids } }, u32::try_from(wanted).unwrap_or(u32::MAX)).await?;
        if found.documents.len() < wanted {
            let end = found.documents.last().and_then(|document| mark(document));
            next = end.map_or(next, |mark| mark.0.saturating_sub(1));
        }
        self.show(found.documents, false).await?;
        self.swept_to(next.max(at), next == until)
    }

    /// Notes how far a sweep has got, and tells the reader of it if that is all there is to tell.
    fn swept_to(&mut self, at: u64, done: bool) -> Result<(), SourceError> {
        let Some(sweep) = &mut self.sweep else { return Ok(()) };
        sweep.at = at;
        let low = at.min(sweep.settled);
        if done {
            self.sweep = None;
            self.swept = Some(Instant::now());
        }
        if low > self.marks.low || self.shown.len() > MOST {
            self.marks.low = self.shown.forget(low.max(self.marks.low)).min(self.marks.high);
            if self.ready.is_empty() {
                self.ready.push_back(Sourced { after: self.marks.place()?, item: SourceItem::Idle });
            }
        }
        Ok(())
    }

    /// The first identities of a choice in the order of their times, at most [`SWEEP_PAGE`].
    async fn identities(&self, filter: Document) -> Result<Vec<(Mark, Bson)>, SourceError> {
        let patience = self.source.options.patience;
        let find =
            self.source.frames.find(filter).projection(doc! { "_id": 1, "n": 1 }).sort(doc! { "n": 1 });
        let mut cursor =
            failure::within(patience, find.limit(SWEEP_PAGE.into()).batch_size(SWEEP_PAGE)).await?;
        let mut identities = Vec::new();
        while failure::within(patience, cursor.advance()).await? {
            let document = cursor.current();
            let id = document.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
            if let (Some(mark), Some(id)) = (mark(document), id) {
                identities.push((mark, id));
            }
        }
        Ok(identities)
    }

    /// The records of the reader's buckets later than `after` and not later than `until`.
    fn between(&self, after: u64, until: Option<u64>) -> Document {
        let mut times = doc! { "$gt": timestamp(after) };
        if let Some(until) = until {
            times.insert("$lte", timestamp(until));
        }
        let (first, end) = (i32::from(self.buckets.first()), i32::from(self.buckets.end()));
        doc! { "n": times, "p": { "$gte": first, "$lt": end } }
    }

    /// The first documents of a choice in the order of their times, at most `most` and about [`PAGE_BYTES`].
    async fn documents(&self, filter: Document, most: u32) -> Result<Answer, SourceError> {
        let patience = self.source.options.patience;
        let find = self.source.frames.find(filter).sort(doc! { "n": 1 }).limit(most.into()).batch_size(most);
        let mut cursor = failure::within(patience, find).await?;
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE_BYTES && failure::within(patience, cursor.advance()).await? {
            let document = cursor.current().to_owned();
            bytes += document.as_bytes().len();
            documents.push(document);
        }
        let full = bytes >= PAGE_BYTES || u32::try_from(documents.len()).unwrap_or(u32::MAX) >= most;
        Ok(Answer { documents, full })
    }

    /// Puts documents in line that were not shown before. New ones move `high`.
    async fn show(&mut self, documents: Vec<RawDocumentBuf>, new: bool) -> Result<(), SourceError> {
        if !documents.is_empty() {
            self.source.tick().await?;
        }
        // Asked last: what was found before it was found in the same run.
        if self.source.process().await? != self.marks.process {
            tracing::warn!("the server was started again");
            return Err(SourceError::Lost);
        }
        for document in documents {
            let Some(mark) = mark(&document) else { continue };
            self.shown.insert(mark);
            if new {
                self.marks.high = self.marks.high.max(mark.0);
            }
            self.ready.push_back(Sourced { after: self.marks.place()?, item: source::item(&document) });
        }
        Ok(())
    }
}

/// The time and identity of a document. One that names no group or position is known by its time alone.
fn mark(document: &RawDocument) -> Option<Mark> {
    let time = number(document.get_timestamp("n").ok()?);
    let (group, seq) = match document::decode_id(document) {
        Ok((group, seq)) => (Some(group), Some(seq)),
        Err(bad) => (bad.group, bad.seq),
    };
    Some((time, group.unwrap_or(GroupId::new([0; GroupId::LEN])), seq.unwrap_or(Seq::ZERO)))
}
