// Refusals of commands in words, each with what to do.

/** A command that was not carried out. `message` says why, `advice` what to do. */
export class Refusal extends Error {
  constructor(message, advice, { status = 0, code = "", borrowers = [] } = {}) {
    super(message);
    this.name = "Refusal";
    Object.assign(this, { advice, status, code, borrowers });
  }
}

const ADVICE = {
  already_added: ["This title is in the inventory already.", "Add copies to it, or correct its details."],
  removed: ["This title was removed from the inventory.", "Add brings it back."],
  unknown_title: ["This title is not in the inventory.", "Check the number, or add the title."],
  none_available: [null, "Take one back first, or look at its loans."],
  already_borrowed: [null, "To keep it longer, renew it."],
  too_many_loans: [null, "Add further copies as a title with a number of its own."],
  not_on_loan: ["There is no such open loan.", "Look at the title's loans."],
  which_loan: ["Several copies of this title are on loan.", "Scan the card of whoever returns it, or choose:"],
  on_loan: [null, "Take them back first."],
  malformed: [null, "Nothing was done. Try it again with another value."],
  other_actor: ["The token belongs to somebody else than “Who works here” says.", "Clear that name: the token says it."],
  unwritable: [null, "Somebody who runs the library's system has to act first."],
};

/** The refusal that a problem document of the gateway is. */
export function refusalOf(status, problem) {
  const [sentence, advice] = ADVICE[problem.code] ?? [null, "Nothing was done."];
  return new Refusal(sentence ?? asSentence(problem.detail ?? `Status ${status}`), advice, { status, ...problem });
}

const asSentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, ".");
