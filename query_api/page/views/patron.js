// A borrower of a store that keeps names apart: the name, the open loans, or that the borrower was forgotten.
import { html, useEffect, useMemo, useReducer, useState } from "../vendor/htm-preact.js";
import { followChanges } from "../changes.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { dueDay, fromNow, moment } from "../format.js";
import { LoanList } from "../loan_list.js";
import { get, QueryError } from "../query_api.js";

/** The token is in the URL: it says nothing about the borrower once the name is gone. */
export function Patron({ parameters }) {
  const { token } = parameters;
  const [{ patron, error }, setAnswer] = useState({});
  const list = useLoans(token);
  const load = () => {
    get(`/patrons/${encodeURIComponent(token)}`).then(({ value }) => setAnswer({ patron: value }), (failure) => {
      if (!(failure instanceof QueryError)) throw failure;
      setAnswer({ error: failure });
    });
  };
  useEffect(load, [token, list.items]);
  if (error?.code === "forgotten") {
    return html`<h1>A forgotten borrower</h1>
      <${Empty} title=${`This borrower was forgotten ${moment(error.problem.forgotten_at)}.`}><p>The events keep the token <code>${token}</code>. Nobody knows any more whom it meant.</p><//>`;
  }
  if (error?.status === 404) return html`<h1>No such borrower</h1><${Empty} title=${error.message}><p><a href="/loans">To the loans</a></p><//>`;
  if (error) return html`<h1>Borrower</h1><${ErrorNote} error=${error} retry=${load} />`;
  if (!patron) return html`<h1 class="quiet">Borrower</h1><${Loading} what="Loading the borrower" />`;
  return html`
    <div class="view-head"><h1><bdi>${patron.user_id}</bdi></h1><p class="quiet mono">${patron.patron}</p></div>
    ${patron.closing && html`<p class="notice" role="status">This borrower is being forgotten: nothing more is lent, and the last return ends it.</p>`}
    ${list.error && html`<${ErrorNote} error=${list.error} retry=${() => list.reload()} />`}
    ${list.items.length > 0 && html`<${Table} list=${list} />`}
    ${list.complete && !list.items.length && html`<${Empty} title="Nothing is on loan" />`}`;
}

function useLoans(token) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const list = useMemo(() => new LoanList({ patron: token }), [token]);
  useEffect(() => {
    list.redraw = redraw;
    list.reload();
    const end = followChanges((changes, reset) => list.changed(changes, reset));
    return () => {
      list.close();
      end();
    };
  }, [list]);
  return list;
}

function Table({ list }) {
  return html`<div class="panel"><table class="loan-table"><caption class="visually-hidden">Open loans, first due first</caption>
    <thead><tr><th scope="col">Title</th><th scope="col">Due</th></tr></thead>
    <tbody>${list.items.map((loan) => html`<tr key=${loan.isbn}>
      <td><a href=${`/titles/${loan.isbn}`}><bdi>${loan.title}</bdi></a></td>
      <td><time datetime=${loan.due_at}>${dueDay(loan.due_at)}</time> ${loan.overdue
        ? html`<span class="badge bad">overdue</span>`
        : html`<span class="quiet small">${fromNow(loan.due_at)}</span>`}</td>
    </tr>`)}</tbody>
  </table>
  ${!list.complete && html`<p class="loans-more"><button type="button" disabled=${list.loading} onClick=${() => list.loadMore()}>Show more</button></p>`}</div>`;
}
