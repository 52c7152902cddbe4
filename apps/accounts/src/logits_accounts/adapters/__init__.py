"""Adapters of Accounts: the relational store, the Ops API and outgoing mail, one class each."""
