// The open loans of a title, first due first.
import { html } from "../vendor/htm-preact.js";
import { borrowerName, dueDay, exactMoment, fromNow, moment } from "../format.js";

/** `at` is the moment in ms that the loans are shown at; null: now. */
export function LoanTable({ loans, at }) {
  if (!loans.length) return html`<p class="quiet">No copy is on loan${at === null ? "" : " at this moment"}.</p>`;
  return html`<table class="loan-table"><caption class="visually-hidden">Open loans, first due first</caption>
    <thead><tr><th scope="col">Borrower</th><th scope="col">Since</th><th scope="col">Due</th></tr></thead>
    <tbody>${loans.map((loan) => html`<tr key=${loan.patron ?? loan.user_id}>
      <td>${loan.patron ? html`<a href=${`/patrons/${loan.patron}`}><bdi>${borrowerName(loan)}</bdi></a>` : html`<bdi>${loan.user_id}</bdi>`}</td>
      <td><time datetime=${loan.borrowed_at} title=${exactMoment(loan.borrowed_at)}>${moment(loan.borrowed_at)}</time></td>
      <td><time datetime=${loan.due_at} title=${exactMoment(loan.due_at)}>${dueDay(loan.due_at)}</time> ${loan.overdue
        ? html`<span class="badge bad">overdue</span>`
        : html`<span class="quiet small">${fromNow(loan.due_at, at ?? Date.now())}</span>`}</td>
    </tr>`)}</tbody>
  </table>`;
}
