"""Models as studies ask for them: fetched, loaded, sized for the machine."""
