//! The terminal taken over, and always given back: at the end, on a panic, on a signal, on Ctrl-Z.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use rustix::process::{Signal, kill_current_process_group};

/// Whether the terminal is ours at the moment; the panic hook must know without a lock.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Whether there is a terminal to draw on.
    pub(super) fn is_possible() -> bool {
        stdout().is_terminal()
    }

    /// Takes the terminal over, and sees to it that a panic of this thread gives it back.
    pub(super) fn open() -> io::Result<Self> {
        restore_on_panic();
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, stdout()));
        let terminal = Terminal::new(backend).inspect_err(|_| give_back())?;
        Ok(Self { terminal })
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws a whole frame; the terminal shows it at once or not at all.
    pub(super) fn draw(&mut self, paint: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| paint(frame.area(), frame.buffer_mut()))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Gives the terminal back, stops this process as Ctrl-Z asks, and takes it again on return.
    /// With `group`, whoever started us in the same job (`cargo run`) stops too, or the shell
    /// would never learn of it.
    pub(super) fn suspend(&mut self, group: bool) -> io::Result<()> {
        give_back();
        if group {
            kill_current_process_group(Signal::TSTP)?;
        }
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.reclaim()
    }

    /// Takes the terminal again after something else used it; everything is drawn anew.
    pub(super) fn reclaim(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        self.clear()
    }

    /// Forgets what is on the screen, so that the next frame draws all of it.
    ///
    /// Not by ratatui's `clear`: that asks the terminal where its cursor is, and fails where nobody
    /// answers.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableMouseCapture,
        EnableBracketedPaste,
        SetTitle("upseal"),
        cursor::Hide
    )
    .inspect_err(|_| give_back())
}

/// Undoes all of [`take`]. What fails here cannot be helped: the terminal may be gone.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// A panic on another thread is caught at its root and becomes an event; it must not tear the
/// screen down. A panic on this one must, before its message is printed.
fn restore_on_panic() {
    let ours = thread::current().id();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == ours {
            give_back();
            previous(info);
        } else if !TAKEN.load(Ordering::SeqCst) {
            previous(info);
        }
    }));
}
