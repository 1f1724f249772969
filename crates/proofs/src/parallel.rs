//! Spreading work over the threads of the rayon pool one is called in.
//!
//! Outside of a pool, and without the feature `parallel`, everything runs on the calling thread: nobody gets threads
//! they did not ask for, least of all rayon's global pool. Hence nothing here, nor the arithmetic underneath, uses
//! rayon in any other way.

/// Whether there are other threads to share with.
#[cfg(any(feature = "prover", feature = "parallel"))]
pub(crate) fn shared() -> bool {
    #[cfg(feature = "parallel")]
    let shared = rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1;
    #[cfg(not(feature = "parallel"))]
    let shared = false;
    shared
}

/// The threads of the pool one is called in; 1 outside of a pool.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "parallel")]
    if shared() {
        return rayon::current_num_threads();
    }
    1
}

/// Works on every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Send + Sync) {
    #[cfg(feature = "parallel")]
    if shared() {
        use rayon::prelude::*;
        return items.par_iter_mut().for_each(work);
    }
    items.iter_mut().for_each(work);
}

/// Works on runs of so many items, the last may be shorter, and keeps the results in order.
pub(crate) fn map_chunks<T: Sync, R: Send>(
    items: &[T],
    length: usize,
    work: impl Fn(&[T]) -> R + Send + Sync,
) -> Vec<R> {
    let length = length.max(1);
    #[cfg(feature = "parallel")]
    if shared() {
        use rayon::prelude::*;
        return items.par_chunks(length).map(work).collect();
    }
    items.chunks(length).map(work).collect()
}

/// Works on the items in as many runs as there are threads, of at least so many items each.
pub(crate) fn map_shares<T: Sync, R: Send>(
    items: &[T],
    least: usize,
    work: impl Fn(&[T]) -> R + Send + Sync,
) -> Vec<R> {
    map_chunks(items, items.len().div_ceil(threads()).max(least), work)
}

/// Does both.
#[cfg(feature = "prover")]
pub(crate) fn join<A: Send, B: Send>(
    left: impl FnOnce() -> A + Send,
    right: impl FnOnce() -> B + Send,
) -> (A, B) {
    #[cfg(feature = "parallel")]
    if shared() {
        return rayon::join(left, right);
    }
    (left(), right())
}
