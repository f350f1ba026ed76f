Feature: Topics

  Scenario: What is sent to a topic is read from it
    Given topic "news" of type text/plain
    When the text "first" is sent to the topic
    And the text "second" is sent to the topic
    Then the topic gives the lines first, second

  @since-1.0
  Scenario: A topic is created, listed and deleted
    Given host is running
    When topic "prices" of type application/x-ndjson is created
    Then host lists the topic
    When the topic is deleted
    Then host lists the topic no more

  @since-1.0
  Scenario: A topic has one content type
    Given host is running
    When topic "prices" of type application/x-ndjson is created
    Then sending to it as text/plain fails with 415
