// The tokens of a filter, as gradlab/query/scanner.py has them.

const QUERY_LONGEST = 20000;
const QUERY_DEEPEST = 50;
const KEYWORDS = new Set(["and", "or", "not", "in"]);
const SIGN = /<=|>=|==|!=|=|<|>/y;
const WORD = /[^\s"'()[\]{},=<>!;]+/y;
const NUMBER_TEXT = "[-+]?(?:\\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\\.[0-9]+)?)(?:[eE][-+]?[0-9]{1,4})?";
const RANGE_TEXT = `(${NUMBER_TEXT})\\s*\\.\\.\\s*(${NUMBER_TEXT})(?:\\s*([:*])\\s*(${NUMBER_TEXT}))?`;
const SPACED_RANGE = new RegExp(RANGE_TEXT, "y");
const NAME = /^[A-Za-z_][A-Za-z0-9_.]*$/;
const CLOSING = { "(": ")", "[": "]", "{": "}" };

/** A text that cannot be read: what is wrong `at` which offset, and what would be right. */
class QueryError extends Error {
  constructor(message, at, hint = "") {
    super(message);
    [this.at, this.hint] = [at, hint];
  }
}

const shortened = (text) => (text.length <= 60 ? text : `${text.slice(0, 59)}\u2026`);

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  return match && match[0];
}

/** A cursor over the tokens of a text; see gradlab/query/scanner.py. */
class Scanner {
  constructor(text) {
    this.text = text;
    if (text.length > QUERY_LONGEST)
      throw new QueryError(
        `this text has ${text.length.toLocaleString("en")} characters, at most ${QUERY_LONGEST.toLocaleString("en")} can be read`,
        0,
      );
    this.token = this.read(0);
  }

  fail(message, hint = "") {
    throw new QueryError(message, this.token.at, hint);
  }

  step() {
    const { token } = this;
    this.token = this.read(token.at + token.text.length);
    return token;
  }

  take(kind) {
    return this.token.kind === kind ? this.step() : null;
  }

  takeWord(word) {
    return this.token.keyword === word ? this.step() : null;
  }

  ahead() {
    return this.read(this.token.at + this.token.text.length);
  }

  get shown() {
    return this.token.kind === "end" ? "the end" : `'${shortened(this.token.text)}'`;
  }

  /** Return the value that stands next as {text, at, quoted}. */
  operand(place) {
    const { token, text } = this;
    if (token.kind === "quoted") {
      this.step();
      const mark = token.text[0];
      return { text: token.text.slice(1, -1).replaceAll(mark + mark, mark), at: token.at, quoted: true };
    }
    if (token.kind === "[" || token.kind === "{") return this.finish(token.at, this.closed(token.at));
    const spaced = matchAt(SPACED_RANGE, text, token.at);
    if (spaced && !matchAt(WORD, text, token.at + spaced.length))
      return this.finish(token.at, token.at + spaced.length);
    if (token.kind !== "word" || token.keyword) this.fail(`expected a value ${place}, found ${this.shown}`);
    let end = token.at + token.text.length;
    if (NAME.test(token.text)) {
      const opening = this.space(end);
      if (text[opening] === "(") end = opening;
    }
    while (text[end] === "(") {
      end = this.closed(end);
      end += (matchAt(WORD, text, end) || "").length;
    }
    return this.finish(token.at, end);
  }

  /** Return the list whose bracket stands next as {text, at, items}. */
  items(place) {
    const opening = this.step();
    const items = [this.operand(place)];
    while (this.take(",")) items.push(this.operand("after the comma"));
    if (this.token.kind === "end") throw new QueryError("this list is never closed", opening.at);
    if (this.token.kind !== "]") this.fail(`expected a comma or ], found ${this.shown}`);
    const end = this.step().at + 1;
    return { text: this.text.slice(opening.at, end), at: opening.at, items };
  }

  finish(start, end) {
    this.token = this.read(end);
    return { text: this.text.slice(start, end), at: start };
  }

  closed(start) {
    const waiting = [CLOSING[this.text[start]]];
    let at = start + 1;
    while (waiting.length && at < this.text.length) {
      const sign = this.text[at];
      if (sign === "'" || sign === '"') at = this.quoted(at) - 1;
      else if (CLOSING[sign]) waiting.push(CLOSING[sign]);
      else if (")]}".includes(sign) && sign !== waiting.pop())
        throw new QueryError("this bracket closes none that is open", at);
      if (waiting.length > QUERY_DEEPEST)
        throw new QueryError(`more than ${QUERY_DEEPEST} brackets are inside of each other`, at);
      at += 1;
    }
    if (waiting.length) {
      const kind = { "(": "parenthesis", "[": "bracket", "{": "brace" }[this.text[start]];
      throw new QueryError(`this ${kind} is never closed`, start);
    }
    return at;
  }

  quoted(start) {
    const mark = this.text[start];
    for (let at = start; ; at += 1) {
      at = this.text.indexOf(mark, at + 1);
      if (at < 0) throw new QueryError("this quotation mark is never closed", start);
      if (this.text[at + 1] !== mark) return at + 1;
    }
  }

  space(at) {
    return at + (matchAt(/\s*/y, this.text, at) || "").length;
  }

  read(from) {
    const at = this.space(from);
    const token = (kind, text) => ({ kind, text, at, keyword: "" });
    if (at === this.text.length) return token("end", "");
    const sign = matchAt(SIGN, this.text, at);
    if (sign) return token("sign", sign);
    const first = this.text[at];
    if (first === "'" || first === '"') return token("quoted", this.text.slice(at, this.quoted(at)));
    if ("()[]{},".includes(first)) return token(first, first);
    const word = matchAt(WORD, this.text, at);
    if (!word)
      throw new QueryError(`'${first}' means nothing here`, at, "a text with signs in it needs quotation marks");
    const lower = word.toLowerCase();
    return { ...token("word", word), keyword: KEYWORDS.has(lower) ? lower : "" };
  }
}
