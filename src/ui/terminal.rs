//! Taking the terminal over, and always restoring it: at the end, on a panic, on a signal, on Ctrl-Z.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::clipboard;
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

/// Whether this program has taken the terminal over; the panic hook must know it without a lock.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the program gets the mouse. Without it, the terminal selects text.
static MOUSE: AtomicBool = AtomicBool::new(true);

/// The terminal while this program owns it. Dropping it restores the terminal.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Returns whether there is a terminal to draw on.
    pub(super) fn is_possible() -> bool {
        stdout().is_terminal()
    }

    /// Takes the terminal over, and installs a hook that restores it when this thread panics.
    pub(super) fn open(mouse: bool) -> io::Result<Self> {
        MOUSE.store(mouse, Ordering::SeqCst);
        restore_on_panic();
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, stdout()));
        let terminal = Terminal::new(backend).inspect_err(|_| give_back())?;
        Ok(Self { terminal })
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws a whole frame, which the terminal shows at once.
    pub(super) fn draw(&mut self, paint: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| paint(frame.area(), frame.buffer_mut()))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Copies a text to the clipboard.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        clipboard::copy(self.terminal.backend_mut(), text)
    }

    /// Gives the mouse to the terminal, which selects text, or takes it back. Returns whether this program has it.
    pub(super) fn toggle_mouse(&mut self) -> io::Result<bool> {
        let has_it = !MOUSE.fetch_xor(true, Ordering::SeqCst);
        if has_it {
            execute!(self.terminal.backend_mut(), EnableMouseCapture)?;
        } else {
            execute!(self.terminal.backend_mut(), DisableMouseCapture)?;
        }
        Ok(has_it)
    }

    /// Restores the terminal, stops this process, and takes the terminal over again on return.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.reclaim()
    }

    /// Takes the terminal over again after something else used it, and redraws everything.
    pub(super) fn reclaim(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        self.clear()
    }

    /// Forgets what is on the screen, so that the next frame draws all of it.
    ///
    /// This is not ratatui's `clear`: that asks the terminal for the position of its cursor, and the thread that
    /// reads keys would take the answer.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }
}

/// Asks the whole job to stop: the process that started this one in it (`cargo run`) must stop too, or the shell
/// would not notice. This process receives the signal as well.
pub(super) fn ask_job_to_stop() -> io::Result<()> {
    give_back();
    Ok(kill_current_process_group(Signal::TSTP)?)
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A panic during drawing leaves the beginning of a picture in the buffer, which is written when it is
        // dropped.
        let _ = execute!(self.terminal.backend_mut(), EndSynchronizedUpdate);
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, SetTitle("upseal"), cursor::Hide)
        .and_then(
            |()| if MOUSE.load(Ordering::SeqCst) { execute!(stdout(), EnableMouseCapture) } else { Ok(()) },
        )
        .inspect_err(|_| give_back())
}

/// Undoes all of [`take`]. Errors are ignored: the terminal may be gone.
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

/// Restores the terminal when this thread panics, before the panic's message is printed. A panic on another thread
/// is caught at its root and becomes an event; it must not disturb the screen.
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

#[cfg(all(test, unix))]
mod tests {
    //! Panics in a pseudo-terminal. A test runs itself there again, in the role of the program that panics.

    use std::io::Read;
    use std::time::Duration;
    use std::{env, thread};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::Screen;

    /// Environment variable that tells the test to be the program that panics.
    const ROLE: &str = "UPSEAL_TEST_PANICS";

    /// Runs a test of this program in its other role, and returns everything that its terminal received.
    fn watched(test: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(env::current_exe()?);
        command.args(["--exact", &format!("ui::terminal::tests::{test}"), "--nocapture"]);
        command.env(ROLE, "1");
        command.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader()?;
        let read = thread::spawn(move || {
            let mut seen = Vec::new();
            // Some systems report a closed pseudo-terminal as an error.
            let _ = reader.read_to_end(&mut seen);
            seen
        });
        child.wait()?;
        drop(pair.master);
        read.join().map_err(|_| "the reader panicked".into())
    }

    fn place(all: &[u8], part: &[u8]) -> Option<usize> {
        all.windows(part.len()).position(|window| window == part)
    }

    const ENTER: &[u8] = b"\x1b[?1049h";
    const LEAVE: &[u8] = b"\x1b[?1049l";
    const SHOW_CURSOR: &[u8] = b"\x1b[?25h";

    #[test]
    fn a_panic_of_the_screen_restores_the_terminal_before_its_message()
    -> Result<(), Box<dyn std::error::Error>> {
        if env::var_os(ROLE).is_some() {
            let _screen = Screen::open(true);
            panic!("of the screen");
        }
        let seen = watched("a_panic_of_the_screen_restores_the_terminal_before_its_message")?;
        let (Some(enter), Some(leave)) = (place(&seen, ENTER), place(&seen, LEAVE)) else {
            panic!("{}", String::from_utf8_lossy(&seen));
        };
        let message = place(&seen, b"of the screen").ok_or("no message")?;
        let cursor = place(&seen, SHOW_CURSOR).ok_or("no cursor")?;
        assert!(enter < leave && leave < cursor && cursor < message);
        assert_eq!(place(&seen[leave + 1..], LEAVE), None, "once is enough");
        Ok(())
    }

    #[test]
    fn a_panic_of_another_thread_leaves_the_screen_alone() -> Result<(), Box<dyn std::error::Error>> {
        if env::var_os(ROLE).is_some() {
            return Ok(another_thread_panics()?);
        }
        let seen = watched("a_panic_of_another_thread_leaves_the_screen_alone")?;
        let leave = place(&seen, LEAVE).ok_or("never left")?;
        let still = place(&seen, b"undisturbed").ok_or("drawn no more")?;
        assert!(still < leave);
        assert_eq!(place(&seen, b"of a worker"), None, "its message would tear the picture");
        Ok(())
    }

    fn another_thread_panics() -> std::io::Result<()> {
        let mut screen = Screen::open(true)?;
        let worker = thread::Builder::new().spawn(|| panic!("of a worker"))?;
        assert!(worker.join().is_err());
        thread::sleep(Duration::from_millis(10));
        screen.draw(|area, buf| buf.set_string(area.x, area.y, "undisturbed", ratatui::style::Style::new()))
    }
}
