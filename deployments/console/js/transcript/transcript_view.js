// Shows a transcript to read, search and listen along. A segment's text is one text node; words are ranges in it, marked
// by the CSS Custom Highlight API, so that three hours of speech are some thousand elements, not fifty thousand.

import { fill, h, icon } from "../lib/dom.js";
import { clock, languageName } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { differences } from "./differences.js";

const LINES_PER_FRAME = 120; // built at once: the first frame fills the screen
const REPLACED_PER_FRAME = 40; // replacing costs more than adding
const COLOURS = 8;
const MAX_OVERLAP = 11; // lines looked back at for one that has not ended

/**
 * A line is a segment or a gap, an interval that failed. Dispatches "seek" (seconds), "choose" and "speaker" (line),
 * "built" (some lines more are there), "redrawn", "unmatch" (line and the match to undo).
 */
export class TranscriptView extends EventTarget {
  constructor(transcript) {
    super();
    this.draft = null; // unsaved corrections
    this.original = null; // the machine's segments by id, once something differs from them
    this.editing = false;
    this.element = h("ol.transcript", { onclick: (event) => this.#click(event), onkeydown: (event) => this.#keys(event) });
    this.show(transcript);
  }

  /** Show a version of the transcript. */
  show(transcript) {
    this.transcript = transcript;
    this.#makeLines();
    this.now = null;
    CSS.highlights?.delete("playing");
    fill(this.element);
    this.built = 0;
    this.#build(LINES_PER_FRAME);
    this.#buildRest(transcript);
  }

  #makeLines() {
    const segments = this.transcript.segments.map((segment) => this.draft?.apply(segment) ?? segment);
    this.speakers = [...new Set(segments.map((segment) => segment.speaker))];
    this.lines = linesOf(segments, this.transcript.coverage);
    this.bySegment = new Map(this.lines.filter((line) => line.segment).map((line) => [line.segment.id, line]));
  }

  /** Replace the lines that the draft or the mode has changed, those in view first. */
  redraw() {
    const before = this.lines;
    this.#makeLines();
    const { lines } = this;
    const stale = [];
    for (let i = 0; i < this.built; i++) {
      Object.assign(lines[i], { element: before[i].element, drawn: before[i].drawn, text: lines[i].segment?.text.trim(), clock: before[i].clock, changes: before[i].changes });
      if (lines[i].element.querySelector("textarea")) continue; // being edited: replaced when that ends
      if (lines[i].segment && lines[i].drawn !== this.#signature(lines[i], lines[i - 1])) stale.push(i);
    }
    if (this.now) this.now = lines[before.indexOf(this.now)] ?? null;
    const middle = this.#indexInView();
    stale.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    this.#replaceSome(stale, lines);
  }

  #replaceSome(stale, lines) {
    if (lines !== this.lines) return; // a later redraw does it
    for (const i of stale.splice(0, REPLACED_PER_FRAME)) this.#replace(lines[i], lines[i - 1]);
    if (stale.length) return void requestAnimationFrame(() => this.#replaceSome(stale, lines));
    if (this.element.classList.contains("showing-changes")) this.markChanges(true);
    this.dispatchEvent(new Event("redrawn"));
  }

  #replace(line, before) {
    const old = line.element;
    const focused = old.contains(document.activeElement) ? document.activeElement.classList[0] : null;
    const { tabIndex } = old.querySelector("button.time");
    line.element = this.#line(line, before);
    line.element.querySelector("button.time").tabIndex = tabIndex;
    line.element.classList.toggle("now", line === this.now);
    old.replaceWith(line.element);
    if (focused) line.element.querySelector(`.${focused}`)?.focus({ preventScroll: true });
  }

  /** Index of the line in the middle of the view. */
  #indexInView() {
    const frame = this.element.parentElement?.getBoundingClientRect();
    const row = frame && document.elementFromPoint(frame.left + frame.width / 3, frame.top + frame.height / 2)?.closest("li");
    return row ? Math.max(0, this.lines.findIndex((line) => line.element === row)) : 0;
  }

  /** Everything that a line's element depends on. */
  #signature(line, before) {
    const { text, speaker } = line.segment;
    return [this.editing, this.original !== null, this.speakers.indexOf(speaker), speaker, before?.segment?.speaker, text].join("\n");
  }

  /** Find the next segment after a line (`by` 1) or before it (-1). */
  spokenAfter(line, by) {
    if (!by) return null;
    for (let i = this.lines.indexOf(line) + by; i >= 0 && i < this.lines.length; i += by) if (this.lines[i].segment) return this.lines[i];
    return null;
  }

  /** Highlight the words that differ from the machine's transcript, or none. */
  markChanges(on) {
    if (!CSS.highlights) return;
    const ranges = [];
    for (const line of on ? this.lines.slice(0, this.built) : []) {
      const node = line.changes && line.element.querySelector(".words")?.firstChild;
      if (node?.nodeType === Node.TEXT_NODE) ranges.push(...line.changes.now.filter((word) => !word.same).map((word) => staticRange(node, word.from, word.to)));
    }
    if (ranges.length) CSS.highlights.set("written", new Highlight(...ranges));
    else CSS.highlights.delete("written");
  }

  #buildRest(transcript) {
    if (this.built >= this.lines.length) return;
    requestAnimationFrame(() => {
      if (this.transcript !== transcript) return;
      this.#build(LINES_PER_FRAME);
      this.#buildRest(transcript);
    });
  }

  #build(n) {
    const some = document.createDocumentFragment();
    for (const end = Math.min(this.lines.length, this.built + n); this.built < end; this.built++) {
      some.append((this.lines[this.built].element = this.#line(this.lines[this.built], this.lines[this.built - 1])));
    }
    this.element.append(some);
    this.dispatchEvent(new Event("built"));
  }

  #line(line, before) {
    const time = clock(line.start_s);
    const button = h("button.time", { type: "button", tabindex: before ? "-1" : "0", "aria-label": t("playFrom", { time }), data: { s: line.start_s } }, time);
    const { segment } = line;
    if (!segment) {
      const words = t("failedInterval", { from: time, to: clock(line.end_s) });
      return h("li.gap", {}, button, h("p", {}, icon("failed"), words, line.note && h("span.dim", {}, ` ${tEnum("coverage", line.note)}`)));
    }
    line.text = segment.text.trim();
    line.clock = time;
    line.changes = null;
    line.drawn = this.#signature(line, before);
    const colour = this.speakers.indexOf(segment.speaker) % COLOURS;
    const named = segment.speaker !== before?.segment?.speaker || !before?.segment;
    const suspect = segment.health === "suspect";
    const foreign = segment.language && segment.language !== (before?.segment?.language || this.transcript.language);
    const was = this.original?.get(segment.id);
    const changed = was && (was.text.trim() !== line.text || was.speaker !== segment.speaker);
    const classes = [`sp${colour}`, suspect && "suspect", changed && "changed", !line.text && "struck"].filter(Boolean).join(".");
    return h(
      `li.line.${classes}`,
      { data: { id: segment.id } },
      button,
      h(
        "div",
        {},
        this.#speaker(line, named),
        foreign && h("span.language", {}, languageName(segment.language)),
        line.text ? h("p.words", { lang: segment.language || null }, line.text) : h("p.words.dim", {}, t("struckOut")),
        changed && this.#was(line, was, named),
        this.#matches(line),
        suspect && h("span.why", {}, icon("warning"), this.#why(segment)),
      ),
    );
  }

  /** Build the speaker's name where the speaker changes; while correcting, a button in every segment. */
  #speaker(line, named) {
    const { speaker } = line.segment;
    if (!this.editing) return named && speaker ? h("span.speaker", {}, speaker) : null;
    const change = () => this.dispatchEvent(new CustomEvent("speaker", { detail: line }));
    return h("button.speaker", { type: "button", "aria-label": t("renameSpeaker", { name: speaker || t("unnamed") }), onclick: change }, speaker || t("unnamed"), icon("pen"));
  }

  /** Build the machine's text and speaker, where they differ. */
  #was(line, was, named) {
    const [text, speaker] = [was.text.trim(), was.speaker];
    const other = named && speaker !== line.segment.speaker;
    if (text === line.text) return other && h("p.was", {}, h("span.visually-hidden", {}, `${t("machineWrote")} `), h("del", {}, speaker || t("unnamed")));
    line.changes = differences(text, line.text);
    const parts = [];
    let at = 0;
    for (const { from, to, same } of line.changes.old) {
      parts.push(text.slice(at, from), same ? text.slice(from, to) : h("del", {}, text.slice(from, to)));
      at = to;
    }
    return h("p.was", {}, h("span.visually-hidden", {}, `${t("machineWrote")} `), other && [h("del", {}, speaker || t("unnamed")), " "], parts);
  }

  /** Build what was heard in place of terms of the vocabulary, as long as the text is the saved one. */
  #matches(line) {
    const { matches, id } = line.segment;
    const saved = matches?.length && this.transcript.segments.find((segment) => segment.id === id);
    if (!saved || saved.text.trim() !== line.text) return null;
    return h(
      "p.matches",
      {},
      matches.map((match) => [
        h("span", {}, t("matchedTerm", match)),
        this.editing && h("button.bare.unmatch", { type: "button", "aria-label": t("unmatch", match), title: t("unmatch", match), onclick: () => this.dispatchEvent(new CustomEvent("unmatch", { detail: { line, match } })) }, icon("undo")),
      ]),
    );
  }

  #why(segment) {
    const { coverage } = this.transcript;
    const note = coverage.find((part) => part.health === "suspect" && part.channel === segment.channel && part.note && overlaps(part, segment))?.note;
    return note ? t("suspectWhy", { why: note }) : t("suspectPlain");
  }

  // Listening along

  /** Highlight the line and the word at a time; returns the line. */
  mark(seconds) {
    const line = this.lineAt(seconds);
    if (line !== this.now) {
      this.now?.element?.classList.remove("now");
      line?.element?.classList.add("now");
      this.now = line;
    }
    const word = line?.segment && wordsOf(line).findLast((each) => each.start_s <= seconds);
    const node = line?.element?.querySelector(".words")?.firstChild;
    if (!CSS.highlights) return line;
    if (!word || !node || node.nodeType !== Node.TEXT_NODE) CSS.highlights.delete("playing");
    else CSS.highlights.set("playing", new Highlight(staticRange(node, word.from, word.to)));
    return line;
  }

  lineAt(seconds) {
    return lineAt(this.lines, seconds);
  }

  /** Scroll a line to the middle, unless it is in view and `always` is false. */
  reveal(line, { always = false } = {}) {
    if (!line) return;
    this.#build(Math.max(0, this.lines.indexOf(line) + 1 - this.built));
    const box = line.element.getBoundingClientRect();
    const frame = this.element.parentElement.getBoundingClientRect();
    if (!always && box.top >= frame.top + 60 && box.bottom <= frame.bottom - 20) return;
    line.element.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => line.element.scrollIntoView({ block: "center" })); // heights were estimates until now
  }

  /** Scroll to the segments of an evidence and mark them. */
  cite(segmentIds) {
    const lines = segmentIds.map((id) => this.bySegment.get(id)).filter(Boolean);
    this.reveal(lines[0], { always: true });
    for (const { element } of lines) {
      element?.classList.remove("cited");
      requestAnimationFrame(() => element?.classList.add("cited"));
    }
  }

  #click(event) {
    const button = event.target.closest("button.time");
    if (button) return void this.#seek(Number(button.dataset.s));
    const words = event.target.closest("p.words");
    if (!words || !getSelection().isCollapsed || event.target.closest("textarea")) return;
    const line = this.bySegment.get(Number(words.closest("li").dataset.id));
    const click = new CustomEvent("choose", { detail: line, cancelable: true });
    if (!this.dispatchEvent(click)) return; // the corrector opens it
    const offset = caretAt(event.clientX, event.clientY);
    const word = offset === null ? null : wordsOf(line).findLast((each) => each.from <= offset);
    this.#seek(word?.start_s ?? line.start_s);
  }

  #seek(seconds) {
    this.dispatchEvent(new CustomEvent("seek", { detail: seconds }));
  }

  /** Move the focus between lines by arrows: the whole text is one tab stop. */
  #keys(event) {
    if (!event.target.matches("button.time")) return;
    const row = event.target.closest("li");
    if (this.editing && (event.key === "F2" || event.key === "e") && row.dataset.id) {
      event.preventDefault();
      return void this.dispatchEvent(new CustomEvent("choose", { detail: this.bySegment.get(Number(row.dataset.id)), cancelable: true }));
    }
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: this.element.firstChild, End: this.element.lastChild }[event.key];
    if (!to) return;
    event.preventDefault();
    const button = to.querySelector("button.time");
    event.target.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }
}

/** Find the words of a line in its text: `{ from, to, start_s, end_s }`, offsets and seconds. */
export function wordsOf(line) {
  if (line.words) return line.words;
  let from = 0;
  line.words = line.segment.words.map((word) => {
    const bare = word.text.trim();
    const found = line.text.indexOf(bare, from);
    const at = found < 0 ? from : found;
    from = found < 0 ? from : at + bare.length;
    return { from: at, to: from, start_s: word.start_s, end_s: word.end_s };
  });
  return line.words;
}

export const staticRange = (node, from, to) =>
  new StaticRange({
    startContainer: node,
    startOffset: Math.min(from, node.length),
    endContainer: node,
    endOffset: Math.min(to, node.length),
  });

function caretAt(x, y) {
  if (document.caretPositionFromPoint) return document.caretPositionFromPoint(x, y)?.offset ?? null;
  return document.caretRangeFromPoint?.(x, y)?.startOffset ?? null;
}

const overlaps = (a, b) => a.start_s < b.end_s && b.start_s < a.end_s;

/** Make lines of segments and of the intervals that failed, in order of time. */
export function linesOf(segments, coverage) {
  const gaps = coverage.filter((part) => part.health === "failed").map(({ start_s, end_s, note }) => ({ segment: null, start_s, end_s, note }));
  const lines = segments.map((segment) => ({ segment, start_s: segment.start_s, end_s: segment.end_s }));
  return [...lines, ...gaps].sort((a, b) => a.start_s - b.start_s);
}

/** Find the line at a time, else the last one before it, else the first; lines of several channels overlap. */
export function lineAt(lines, seconds) {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].start_s <= seconds) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= 0 && i >= low - MAX_OVERLAP; i--) if (lines[i].end_s > seconds) return lines[i];
  return lines[low - 1] ?? lines[0];
}
