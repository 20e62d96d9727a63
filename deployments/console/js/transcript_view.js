// The transcript as text to read, search and listen along. Text stays text: words are found by their place in it,
// marked by the browser's highlights, so that three hours of speech are some thousand elements, not fifty thousand.

import { fill, h, icon } from "./dom.js";
import { clock } from "./format.js";
import { t } from "./words.js";

const PER_FRAME = 250; // passages built at once: the first screen is there in the first frame
const COLOURS = 8;

export class TranscriptView extends EventTarget {
  constructor(transcript) {
    super();
    this.element = h("ol.transcript", { onclick: (event) => this.#click(event), onkeydown: (event) => this.#keys(event) });
    this.show(transcript);
  }

  /** Shows another version, keeping the place. */
  show(transcript) {
    this.transcript = transcript;
    this.speakers = [...new Set(transcript.segments.map((segment) => segment.speaker))];
    this.lines = [...transcript.segments.map((segment) => ({ segment, start_s: segment.start_s, end_s: segment.end_s })), ...gaps(transcript)];
    this.lines.sort((a, b) => a.start_s - b.start_s);
    this.bySegment = new Map(this.lines.filter((line) => line.segment).map((line) => [line.segment.id, line]));
    this.now = null;
    CSS.highlights?.delete("playing");
    fill(this.element);
    this.built = 0;
    this.#build(PER_FRAME);
    this.#buildRest(transcript);
  }

  #buildRest(transcript) {
    if (this.built >= this.lines.length) return;
    requestAnimationFrame(() => {
      if (this.transcript !== transcript) return;
      this.#build(PER_FRAME);
      this.#buildRest(transcript);
    });
  }

  #build(n) {
    const some = document.createDocumentFragment();
    for (const end = Math.min(this.lines.length, this.built + n); this.built < end; this.built++) {
      some.append((this.lines[this.built].element = this.#line(this.lines[this.built], this.lines[this.built - 1])));
    }
    this.element.append(some);
  }

  #line(line, before) {
    const time = clock(line.start_s);
    const button = h("button.time", { type: "button", tabindex: before ? "-1" : "0", "aria-label": t("playFrom", { time }), data: { s: line.start_s } }, time);
    const { segment } = line;
    if (!segment) {
      const words = t("failedInterval", { from: time, to: clock(line.end_s) });
      return h("li.gap", {}, button, h("p", {}, icon("failed"), words, line.note && h("span.dim", {}, ` ${line.note}`)));
    }
    line.text = segment.text.trim();
    const colour = this.speakers.indexOf(segment.speaker) % COLOURS;
    const named = segment.speaker && segment.speaker !== before?.segment?.speaker;
    const suspect = segment.health === "suspect";
    return h(
      `li.line.sp${colour}${suspect ? ".suspect" : ""}`,
      { data: { id: segment.id } },
      button,
      h(
        "div",
        {},
        named && h("span.speaker", {}, segment.speaker),
        h("p.words", {}, line.text),
        suspect && h("span.why", {}, icon("warning"), this.#why(segment)),
      ),
    );
  }

  #why(segment) {
    const { coverage } = this.transcript;
    const note = coverage.find((part) => part.health === "suspect" && part.channel === segment.channel && part.note && overlaps(part, segment))?.note;
    return note ? t("suspectWhy", { why: note }) : t("suspectPlain");
  }

  // Listening along

  /** Marks what is said at a time; returns the line. */
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
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].start_s <= seconds) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0 && i > low - 12; i--) if (this.lines[i].end_s > seconds) return this.lines[i];
    return this.lines[low - 1] ?? this.lines[0];
  }

  /** Brings a line to the middle of the view, unless it is in view already. */
  reveal(line, { always = false } = {}) {
    if (!line) return;
    this.#build(Math.max(0, this.lines.indexOf(line) + 1 - this.built));
    const box = line.element.getBoundingClientRect();
    const frame = this.element.parentElement.getBoundingClientRect();
    if (!always && box.top >= frame.top + 60 && box.bottom <= frame.bottom - 20) return;
    line.element.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => line.element.scrollIntoView({ block: "center" })); // heights were guesses until now
  }

  /** Shows where evidence lies. */
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
    if (!words || !getSelection().isCollapsed) return;
    const line = this.bySegment.get(Number(words.closest("li").dataset.id));
    const click = new CustomEvent("choose", { detail: line, cancelable: true });
    if (!this.dispatchEvent(click)) return; // corrections take it
    const offset = caretAt(event.clientX, event.clientY);
    const word = offset === null ? null : wordsOf(line).findLast((each) => each.from <= offset);
    this.#seek(word?.start_s ?? line.start_s);
  }

  #seek(seconds) {
    this.dispatchEvent(new CustomEvent("seek", { detail: seconds }));
  }

  /** One stop of the tab key for the whole text; arrows go from passage to passage. */
  #keys(event) {
    if (!event.target.matches("button.time")) return;
    const row = event.target.closest("li");
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: this.element.firstChild, End: this.element.lastChild }[event.key];
    if (!to) return;
    event.preventDefault();
    const button = to.querySelector("button.time");
    event.target.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }
}

/** The words of a line with their places in its text; without times of its own the line is one word. */
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

/** What the coverage ledger knows and no passage shows: intervals that failed. */
function gaps(transcript) {
  return transcript.coverage
    .filter((part) => part.health === "failed")
    .map((part) => ({ segment: null, start_s: part.start_s, end_s: part.end_s, note: part.note }));
}
