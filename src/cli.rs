//! The command line: `nettrace explain node1/ --dport 31002`, as clap sees it.
//!
//! Only the shape of the arguments. What the packet flags mean is [`crate::packet_args`]'s, what inputs mean is
//! [`crate::load`]'s.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::packet_args::PacketArgs;

/// Tells, offline, what happens to a packet on a Linux host, and why.
///
/// Reads what the host prints (iptables-save, nft list ruleset, ipset save, ip -j addr/route/rule, ...), walks a packet
/// through it as the kernel would, and explains the way. Nothing is sent, no kernel is asked.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 answered, 2 could not.\n\nTry it:  nettrace explain --dport 31002")]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// Draw with ASCII characters only (the default where the locale is not UTF-8).
    #[arg(long, global = true)]
    pub ascii: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Auto, always or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Walk one packet and explain its way: the verdict first, then every rule that mattered.
    Explain(Box<ExplainArgs>),
    /// Walk many packets in order and print one JSON object a line.
    Replay(ReplayArgs),
    /// Step through the walk of one packet in the terminal: forward and back, why and why not, what if.
    Step(Box<StepArgs>),
    /// Learn by predicting: lists the lessons, or takes one.
    Lesson(LessonArgs),
    /// Show the chains and who jumps where.
    Chains(ChainsArgs),
    /// Print a completion script.
    Completions {
        /// For this shell.
        shell: Shell,
    },
    /// Print the manual page, in roff: `nettrace man | man -l -`.
    Man,
}

/// What is read of the host.
#[derive(Args, Clone, Debug, Default)]
pub struct InputArgs {
    /// A folder of dumps, single dump files, or - for standard input; the built-in sample if none is given.
    ///
    /// In a folder, names decide what is read (iptables-save, nft-ruleset, ipset-save, ip-addr.json, ...; see -v). For
    /// named files and - the content decides; a named file replaces the folder's file of its kind.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Which iptables made the dump, where its header comment does not tell.
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub backend: Option<Backend>,
}

/// Which iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// iptables-legacy.
    Legacy,
    /// iptables-nft.
    Nft,
}

/// How much is told.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct LevelArgs {
    /// Only the verdict, in one line for each outcome.
    #[arg(long, conflicts_with_all = ["verbose", "all"])]
    pub short: bool,
    /// More: every step, rules near the way that did not match and why, and what was read and ignored.
    #[arg(short, long)]
    pub verbose: bool,
    /// Everything: every rule that was looked at, chain ends and policies too.
    #[arg(long)]
    pub all: bool,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading.
    #[default]
    Text,
    /// One JSON object (`nettrace.trace/1`).
    Json,
    /// The kernel's trace log: TRACE lines for iptables-legacy, `nft monitor trace` for nft, `xtables-monitor` for
    /// iptables-nft.
    Trace,
    /// Markdown, for tickets and postmortems.
    Markdown,
    /// A Mermaid flow chart.
    Mermaid,
    /// A Graphviz graph.
    Dot,
    /// One HTML page that steps through the walk, offline.
    Html,
}

/// What the walk is told beyond packet and dumps.
#[derive(Args, Clone, Debug, Default)]
pub struct FactArgs {
    /// Fix a fact that the inputs don't tell, or `ask` to explore one that has a default.
    ///
    /// The keys are those that the answer names under "depends on" and "assumed".
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Facts")]
    pub assume: Vec<String>,
    /// Fix a random choice: the N-th (from 1) way of every choice, or KEY=N for one of them.
    #[arg(long, value_name = "N|KEY=N", help_heading = "Facts")]
    pub choose: Vec<String>,
    /// Set a sysctl, over what the inputs say: net.ipv4.ip_forward=1.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Facts")]
    pub sysctl: Vec<String>,
}

/// `nettrace explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Inputs.
    #[command(flatten)]
    pub input: InputArgs,
    /// The packet.
    #[command(flatten)]
    pub packet: PacketArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactArgs,
    /// How much.
    #[command(flatten)]
    pub level: LevelArgs,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub json: bool,
    /// A conversation.
    #[command(flatten)]
    pub talk: TalkArgs,
    /// Questions about rules.
    #[command(flatten)]
    pub why: WhyArgs,
    /// Edits.
    #[command(flatten)]
    pub what_if: WhatIfArgs,
}

/// A conversation over one connection table.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Conversation")]
pub struct TalkArgs {
    /// Walk the answer of the other side too, over the same connection table.
    #[arg(long)]
    pub reply: bool,
    /// Walk a conversation: syn, synack, ack, fin, rst, data, request, reply; separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "reply")]
    pub packets: Vec<String>,
}

/// Questions about rules.
#[derive(Args, Clone, Debug, Default)]
pub struct WhyArgs {
    /// Say why a rule had no effect: `filter/INPUT#1`, its text, or its place in the dump (`iptables-save:35`).
    #[arg(long, value_name = "RULE", help_heading = "Why, and where instead", allow_hyphen_values = true)]
    pub why_not: Vec<String>,
    /// Look for places where a rule would drop (or accept) the packet, and walk each before it is told.
    #[arg(long, value_enum, value_name = "VERDICT", help_heading = "Why, and where instead")]
    pub want: Option<WantArg>,
}

/// What is wanted for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WantArg {
    /// It is to be dropped.
    Drop,
    /// It is to be accepted.
    Accept,
}

/// Edits before the walk.
#[derive(Args, Clone, Debug, Default)]
pub struct WhatIfArgs {
    /// Carry out a command first: iptables, ip6tables, nft, ipset, ip route, sysctl -w; repeatable.
    #[arg(long, value_name = "COMMAND", help_heading = "What if")]
    pub with: Vec<String>,
    /// Take a rule out first, given as for --why-not; repeatable.
    #[arg(long, value_name = "RULE", help_heading = "What if", allow_hyphen_values = true)]
    pub without: Vec<String>,
}

/// `nettrace step`.
#[derive(Args, Debug)]
pub struct StepArgs {
    /// Inputs.
    #[command(flatten)]
    pub input: InputArgs,
    /// The packet.
    #[command(flatten)]
    pub packet: PacketArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactArgs,
    /// A conversation: > and < go from packet to packet.
    #[command(flatten)]
    pub talk: TalkArgs,
    /// Edits.
    #[command(flatten)]
    pub whatif: WhatIfArgs,
    /// Looks: colour, colour-blind, mono (the default with NO_COLOR). NETTRACE_THEME sets it too.
    #[arg(long, value_name = "THEME", help_heading = "Output")]
    pub theme: Option<String>,
}

/// `nettrace lesson`.
#[derive(Args, Debug)]
pub struct LessonArgs {
    /// The lesson, as the list calls it, or a lesson.json beside the dumps it is about; without one all are listed.
    #[arg(value_name = "LESSON")]
    pub name: Option<String>,
    /// Print the lesson as text, with the answers at the end (the default without a terminal).
    #[arg(long)]
    pub text: bool,
    /// Looks, as of step.
    #[arg(long, value_name = "THEME")]
    pub theme: Option<String>,
}

/// `nettrace replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Inputs.
    #[command(flatten)]
    pub input: InputArgs,
    /// Facts.
    #[command(flatten)]
    pub facts: FactArgs,
    /// Edits.
    #[command(flatten)]
    pub what_if: WhatIfArgs,
    /// Packets, as JSON Lines, a JSON array, or one object; - for standard input. Else packets/*.json of the folder.
    #[arg(long, value_name = "FILE|-")]
    pub packets: Option<PathBuf>,
    /// Take each INPUT as a host of its own; a line then says which one (`bundle`) and which packet (`number`, from 1).
    ///
    /// A host that cannot be answered for has a line with `error`; the others are answered, and the exit status is 2.
    #[arg(long, requires = "inputs")]
    pub each: bool,
    /// Tell how each packet ends and which rule decided, without the way there: a fraction of the size.
    #[arg(long)]
    pub brief: bool,
}

/// `nettrace chains`.
#[derive(Args, Debug)]
pub struct ChainsArgs {
    /// Inputs.
    #[command(flatten)]
    pub input: InputArgs,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: GraphFormat,
    /// Only what is reached from this chain.
    #[arg(long, value_name = "CHAIN")]
    pub from: Option<String>,
    /// Only this table.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
}

/// How the chains are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// An indented tree.
    #[default]
    Tree,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}
