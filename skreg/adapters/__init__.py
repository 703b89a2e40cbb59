"""The only modules that know the inside of other libraries' training loops."""
