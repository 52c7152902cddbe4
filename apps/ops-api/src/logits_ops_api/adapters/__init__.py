"""Adapters of the Ops API: the relational store, one class per aggregate."""
