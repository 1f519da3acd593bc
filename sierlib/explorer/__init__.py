"""From an explained pair to what people look at and listen to: a folder, a page, a widget."""
