//! Screens from scripted events: pictures, numbers, sizes, keys.
