// Numbers as the page writes them. Infinities come as the texts inf and -inf, what is not there as null.

const MINUS = "\u2212";
const SUPERSCRIPTS = {
  "-": "\u207b",
  0: "\u2070",
  1: "\u00b9",
  2: "\u00b2",
  3: "\u00b3",
  4: "\u2074",
  5: "\u2075",
  6: "\u2076",
  7: "\u2077",
  8: "\u2078",
  9: "\u2079",
};

/** Return a value of the data as a number; NaN for one that is missing. */
function num(value) {
  if (value === null || value === undefined || value === "") return NaN;
  return value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value);
}

const signed = (text) => text.replace("-", MINUS);

/** Return a number with some decimals and a real minus; empty for NaN. */
function fixed(value, digits, plus = false) {
  if (Number.isNaN(value)) return "";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${MINUS}\u221e`;
  const text = value.toFixed(digits);
  const zero = Number(text) === 0;
  return zero ? text.replace("-", "") : (plus && value > 0 ? "+" : "") + signed(text);
}

/** Return a number with some significant digits, as powers of ten where it is very large or small. */
function significant(value, digits, short = false) {
  if (Number.isNaN(value)) return "";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${MINUS}\u221e`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) {
    const text = value.toPrecision(digits);
    return signed(short || text.includes("e") ? String(Number(text)) : text);
  }
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${signed(mantissa)}\u00d710${superscript(Number(exponent))}`;
}

const superscript = (whole) => [...String(whole)].map((sign) => SUPERSCRIPTS[sign]).join("");

/** Return 10 to a whole exponent; 1 for 0. */
const powerOfTen = (whole) => (whole === 0 ? "1" : `10${superscript(whole)}`);

/** Return 10 to any exponent in two digits: 0.02, 3.1, 3.2·10⁻¹⁹. */
function amount(log10) {
  if (Number.isNaN(log10)) return "";
  if (log10 === -Infinity) return "0";
  if (log10 === Infinity) return "\u221e";
  if (log10 >= -2 && log10 < 3) return String(Number((10 ** log10).toPrecision(2)));
  let exponent = Math.floor(log10);
  let digits = (10 ** (log10 - exponent)).toFixed(1);
  if (digits === "10.0") [digits, exponent] = ["1.0", exponent + 1];
  return `${digits}\u00d7${powerOfTen(exponent)}`;
}

const whole = (value) => (Number.isNaN(value) ? "" : value.toLocaleString("en"));
const percent = (share) => (share === null ? "n/a" : `${fixed(100 * share, 1)} %`);
const counted = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Return a number of bytes as 512 B, 1.4 MB. */
function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let value = count;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value.toFixed(units[0] === "B" ? 0 : 1)} ${units[0]}`;
}

/** Return the seconds between two times as a person would say it. */
function duration(from, to) {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const round = Math.round(seconds);
  if (round < 60) return `${round} s`;
  const rest = (count) => String(count).padStart(2, "0");
  if (round < 3600) return `${Math.floor(round / 60)} min ${rest(round % 60)} s`;
  return `${Math.floor(round / 3600)} h ${rest(Math.floor((round % 3600) / 60))} min`;
}
