"""What a model that describes is given: objects in pictures, questions with their answers, captions."""
