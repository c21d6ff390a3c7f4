//! Effects, which leave the screen, and requests, which one part of the screen sends to another.

use std::path::PathBuf;

use super::capture::Capture;
use super::listing;
use super::page::Page;
use crate::event::{Command, Dialect, Job, Padding, RaceOrder, Target, Verdict};

/// An action of the run loop.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Send a command to the transfer threads.
    Send(Command),
    /// Read a folder.
    List(listing::Request),
    /// Read the beginning of a file or a folder.
    Preview(PathBuf),
    /// Read the names of a folder's subfolders, to complete a path.
    Complete(PathBuf),
    /// Read a CA's certificate, to check what was typed.
    CheckCa(PathBuf),
    /// Read the history; there is one answer to each.
    Recall,
    /// Write a session to a file.
    Save(Capture),
    /// Write the report of a race.
    Report(Page),
    /// Run the attacks of the lab, under this run number.
    PlayLab(u64),
    /// Stop the lab.
    StopLab,
    /// Find out which dialect a server speaks, under this run number.
    Probe(u64, Target),
    /// Stop the probe.
    StopProbe,
    /// Show a folder in the desktop's file manager, or copy its path where there is no desktop.
    OpenFolder(PathBuf),
    /// Find out who could reach this computer, and ask whether to share.
    AskShare,
    /// Suspend the process.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Copy a text.
    Copy(String),
    /// Give the mouse to the terminal, or take it back.
    Mouse,
    /// End the program.
    Quit,
}

/// Request of a screen or an overlay to the application.
#[derive(Debug)]
pub(super) enum Request {
    /// Pass an effect to the run loop.
    Effect(Effect),
    /// Show the race.
    ShowRace,
    /// Upload the files that are chosen on the upload screen.
    Upload,
    /// Show the race, and start one with this file if none runs.
    Race(Option<(PathBuf, u64)>),
    /// Start a race whose lanes were checked, but ask if CP1 would take long.
    StartRace(RaceOrder),
    /// Start a race that the user has confirmed.
    ConfirmedRace(RaceOrder),
    /// Send an upload that the user has confirmed, or send it with CP2 instead.
    ConfirmedUpload { jobs: Vec<Job>, use_cp2: bool },
    /// Apply another RSA padding to the race's lanes.
    Pad(Padding),
    /// Send uploads, or one lane of the race, to this server.
    Connect { lane: Option<usize>, target: Target, dialect: Dialect, is_probing: bool },
    /// Restart this program's server.
    RestartServer,
    /// Share, with the identity in this folder.
    Share(PathBuf),
    /// Stop sharing.
    EndShare,
    /// Show a folder.
    GoTo(PathBuf),
    /// Move the browser's cursor to its first row.
    Top,
    /// Write the report of a race into the browser's folder.
    Report(Verdict),
}
