//! Whole-system stories: one file per story.
