// What a scanner, or a person, typed: a title's number, a borrower's card, or the name of a kind of work.

const BOOKS = /^97[789]/; // ISBN and ISSN
const LIKE_A_BOOK = /^97[789]\d{6,15}$/;
const WITH_ADD_ON = /^(97[789]\d{10})(\d{2}|\d{5})$/; // Many scanners read the small code beside it, too
const CARD_MARK = "@";
const WORK_MARK = "/";

/**
 * `{kind: "title", isbn}`, `{kind: "card", user}`, `{kind: "either", isbn, user}`: a number that may be both,
 * `{kind: "misread", text}`: a title's number with a wrong digit, `{kind: "work", name}`, `{kind: "nothing"}`.
 */
export function readScan(typed) {
  const text = typed.trim();
  if (!text) return { kind: "nothing" };
  if (text.startsWith(CARD_MARK)) {
    const user = text.slice(1).trim();
    return user ? { kind: "card", user } : { kind: "nothing" };
  }
  if (text.startsWith(WORK_MARK)) return { kind: "work", name: text.slice(1).trim().toLowerCase() };
  const plain = text.normalize("NFKC").replace(/[\p{Pd}\p{Zs}\p{Cf}]/gu, "").toUpperCase();
  const [, main] = WITH_ADD_ON.exec(plain) ?? [];
  if (main && hasEanCheckDigit(main)) return { kind: "title", isbn: main };
  if (LIKE_A_BOOK.test(plain) && !(plain.length === 13 && hasEanCheckDigit(plain))) return { kind: "misread", text };
  if (/^\d{13}$/.test(plain) && hasEanCheckDigit(plain)) {
    return BOOKS.test(plain) ? { kind: "title", isbn: plain } : { kind: "either", isbn: plain, user: text };
  }
  if (/^\d{9}[\dX]$/.test(plain) && hasIsbn10CheckDigit(plain)) {
    const isbn = eanOf(plain);
    return /^\d{10}$/.test(text) ? { kind: "either", isbn, user: text } : { kind: "title", isbn };
  }
  return { kind: "card", user: text };
}

const sum = (digits, weight) => [...digits].reduce((total, digit, index) => total + weight(index) * Number(digit), 0);

const hasEanCheckDigit = (digits) => sum(digits, (index) => (index % 2 ? 3 : 1)) % 10 === 0;

function hasIsbn10CheckDigit(digits) {
  const check = digits.endsWith("X") ? 10 : Number(digits[9]);
  return (sum(digits.slice(0, 9), (index) => 10 - index) + check) % 11 === 0;
}

function eanOf(isbn10) {
  const first = `978${isbn10.slice(0, 9)}`;
  return `${first}${(10 - (sum(first, (index) => (index % 2 ? 3 : 1)) % 10)) % 10}`;
}
