// Open loans, overdue ones first: by borrower or title, renewed and returned from here.
import { html, useEffect, useMemo, useReducer, useRef, useState } from "../vendor/htm-preact.js";
import { connection, followChanges } from "../changes.js";
import { DoneList, sentenceOf } from "../components/done_list.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { TitleSearch } from "../components/title_search.js";
import { TokenForm, useTokenWanted } from "../components/token.js";
import { carryOut, entries, isOpen } from "../desk_log.js";
import { borrowerName, counted, day, dueDay, fromNow, isbnText, number } from "../format.js";
import { LoanList } from "../loan_list.js";
import { useObservable } from "../observable.js";
import { urlOf } from "../query_api.js";
import { navigate } from "../router.js";

const SHOWN_LINES = 3;

/** The title is in the URL; the borrower only in the history's state: a URL is logged, sent and bookmarked. */
export function Loans({ query, state }) {
  const isbn = query.get("isbn") ?? "";
  const borrower = state?.borrower ?? "";
  const overdueOnly = query.get("overdue") === "true";
  const list = useLoans(borrower, isbn, overdueOnly);
  const wanted = useTokenWanted();
  const done = useObservable(entries);
  const change = (changes) => {
    const next = { borrower, isbn, overdueOnly, ...changes };
    const url = urlOf("/loans", { isbn: next.isbn, overdue: next.overdueOnly ? true : "" });
    navigate(url, { replace: true, state: next.borrower ? { borrower: next.borrower } : null });
  };
  return html`
    <div class="view-head"><h1>Loans</h1><${Summary} list=${list} /></div>
    <search class="loan-tools">
      <${BorrowerBox} value=${borrower} onChange=${(name) => change({ borrower: name })} />
      <${TitleSearch} isbn=${isbn} onChange=${(number) => change({ isbn: number })} />
      <label class="check"><input type="checkbox" checked=${overdueOnly} onChange=${(event) => change({ overdueOnly: event.target.checked })} /> Overdue only</label>
    </search>
    ${wanted && html`<${TokenForm} />`}
    <p class="visually-hidden" role="status">${sentenceOf(done.find((entry) => !isOpen(entry)))}</p>
    ${done.length > 0 && html`<section class="panel" aria-label="Done here"><${DoneList} entries=${done.slice(0, SHOWN_LINES)} label="What was done last" /></section>`}
    ${list.error && html`<${ErrorNote} error=${list.error} retry=${() => list.reload()} />`}
    ${list.items.length > 0 && html`<${Table} list=${list} onBorrower=${(name) => change({ borrower: name })} />`}
    ${list.loading && !list.items.length && html`<${Loading} what="Loading the loans" />`}
    ${list.complete && !list.items.length && html`<${Nothing} filtered=${borrower || isbn || overdueOnly} onAll=${() => change({ borrower: "", isbn: "", overdueOnly: false })} />`}`;
}

function useLoans(borrower, isbn, overdueOnly) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const list = useMemo(() => new LoanList({ ...(borrower && { user_id: borrower }), ...(isbn && { isbn }), ...(overdueOnly && { overdue: true }) }), [borrower, isbn, overdueOnly]);
  useEffect(() => {
    list.redraw = redraw;
    list.reload();
    const ends = [
      followChanges((changes, reset) => list.changed(changes, reset)),
      connection.subscribe(({ state }) => state === "live" && list.error && list.reload()),
    ];
    return () => {
      list.close();
      for (const end of ends) end();
    };
  }, [list]);
  return list;
}

function Summary({ list }) {
  const overdue = list.items.filter((loan) => loan.overdue).length;
  if (!list.items.length) return html`<p class="quiet" role="status"></p>`;
  const loans = counted(list.items.length, "loan");
  return html`<p class="quiet" role="status">${list.complete ? loans : `The first ${loans}`}, ${overdue === list.items.length ? "all" : number(overdue)} overdue</p>`;
}

function BorrowerBox({ value, onChange }) {
  const box = useRef(null);
  useEffect(() => { box.current.value = value; }, [value]);
  const submit = (event) => {
    event.preventDefault();
    onChange(box.current.value.trim());
  };
  return html`<form class="loan-filter" onSubmit=${submit}>
    <label for="borrower">Borrower</label>
    <div class="filter-row"><input id="borrower" ref=${box} autocomplete="off" spellcheck=${false} dir="auto" maxlength="200" placeholder="card, then Enter" />
      ${value && html`<button type="button" onClick=${() => onChange("")}>Clear</button>`}</div>
  </form>`;
}

function Table({ list, onBorrower }) {
  return html`<div class="panel loans-panel"><table role="table" class="loans-table">
    <caption class="visually-hidden">Open loans, the first due first</caption>
    <thead role="rowgroup"><tr role="row">${["Due", "Title", "Borrower", "Lent"].map((text) => html`<th role="columnheader" scope="col" key=${text}>${text}</th>`)}
      <th role="columnheader" scope="col"><span class="visually-hidden">Renew or return</span></th></tr></thead>
    <tbody role="rowgroup">${list.items.map((loan) => html`<${Loan} key=${`${loan.isbn} ${loan.patron ?? loan.user_id}`} loan=${loan} list=${list} onBorrower=${onBorrower} />`)}</tbody>
  </table>
  ${!list.complete && html`<p class="loans-more"><button type="button" disabled=${list.loading} onClick=${() => list.loadMore()}>${list.loading ? "Loading…" : "Show more"}</button></p>`}</div>`;
}

function Loan({ loan, list, onBorrower }) {
  const [busy, setBusy] = useState(false);
  const act = async (type) => {
    setBusy(true);
    await carryOut({ type, isbn: loan.isbn, user_id: loan.user_id });
    await list.reload();
    setBusy(false);
  };
  const what = `${loan.title}, lent to ${borrowerName(loan)}`;
  return html`<tr role="row" class=${loan.overdue ? "overdue" : ""}>
    <td role="cell" class="loan-due"><time datetime=${loan.due_at}>${dueDay(loan.due_at)}</time>
      ${loan.overdue ? html`<span class="small"><span class="badge bad">overdue</span> ${fromNow(loan.due_at)}</span>` : html`<span class="small quiet">${fromNow(loan.due_at)}</span>`}</td>
    <td role="cell" class="loan-title"><a href=${`/titles/${loan.isbn}`}><bdi>${loan.title}</bdi></a><span class="small quiet mono">${isbnText(loan.isbn)}</span></td>
    <td role="cell"><button type="button" class="link loan-borrower" aria-label=${`Loans of ${borrowerName(loan)}`} onClick=${() => onBorrower(loan.user_id)}><bdi>${borrowerName(loan)}</bdi></button>
      ${loan.patron && html`<a class="small quiet" href=${`/patrons/${loan.patron}`} aria-label=${`About ${borrowerName(loan)}`}>about</a>`}</td>
    <td role="cell" class="small quiet"><time datetime=${loan.borrowed_at}>${day(loan.borrowed_at)}</time></td>
    <td role="cell" class="loan-actions">
      <button type="button" disabled=${busy} aria-label=${`Renew: ${what}`} onClick=${() => act("RenewLoan")}>Renew</button>
      <button type="button" disabled=${busy} aria-label=${`Return: ${what}`} onClick=${() => act("ReturnBook")}>Return</button>
    </td>
  </tr>`;
}

function Nothing({ filtered, onAll }) {
  if (!filtered) return html`<${Empty} title="Nothing is on loan"><p>Loans appear here as soon as they are made: <a href="/desk">at the desk</a>, or with <code>library borrow</code>.</p><//>`;
  return html`<${Empty} title="There is no such loan"><button type="button" onClick=${onAll}>Show all loans</button><//>`;
}
