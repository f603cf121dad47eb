//! The configuration: sections, their sources, their rules and their documentation.
