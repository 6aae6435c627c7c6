"""Commands of every type for property tests."""

from hypothesis import strategies as st

from inventory.commands import (
    REASONS,
    AddBook,
    AddCopies,
    BorrowBook,
    Command,
    CorrectDetails,
    RemoveBook,
    RenewLoan,
    ReturnBook,
    WithdrawCopies,
)


def commands_for(
    isbns: st.SearchStrategy[str],
    titles: st.SearchStrategy[str],
    authors: st.SearchStrategy[str],
    users: st.SearchStrategy[str],
) -> st.SearchStrategy[Command]:
    """Checked commands of every type, with small quantities."""
    few = st.integers(1, 4)
    return st.one_of(
        st.builds(AddBook, isbns, titles, authors, few),
        *[st.builds(BorrowBook, isbns, users)] * 2,
        st.builds(ReturnBook, isbns, st.none() | users),
        st.builds(RemoveBook, isbns),
        st.builds(AddCopies, isbns, few),
        st.builds(WithdrawCopies, isbns, few, st.sampled_from(REASONS)),
        st.builds(WithdrawCopies, isbns, st.just(1), st.just("lost"), users),
        st.builds(RenewLoan, isbns, users),
        st.builds(CorrectDetails, isbns, st.none() | titles, authors),
    )
