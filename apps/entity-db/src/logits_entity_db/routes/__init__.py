"""Routes of the Entity DB: kinds, single entities, lists and watches."""
