Feature: Python Instance-Client BDD tests

  @python
  Scenario: An Instance has an id, arguments and a status
    Given an Instance of Sequence "greeting" in python with arguments ["Ada"]
    When asked for the Instance
    Then returns response with its id, arguments ["Ada"] and Sequence "greeting"

  @python
  Scenario: An Instance is killed
    Given an Instance of Sequence "events" in python
    When the Instance is killed
    Then it ends as completed with exit code 137

  @python
  Scenario: An Instance is stopped
    Given an Instance of Sequence "stop" in python
    When the Instance is stopped
    Then it ends as completed
    And its stdout is the text
      """
      finished
      """

  @python
  Scenario: An Instance is waited for
    Given an Instance of Sequence "generator" in python with arguments [2]
    Then it ends as completed with exit code 0

  @python
  Scenario: An Instance has an id of one's own
    Given host is running
    When Sequence "events" in python is sent
    And the Sequence is started with the id "11111111-2222-3333-4444-555555555555"
    Then the Instance has the id "11111111-2222-3333-4444-555555555555"
    And starting it again with the same id fails with 409

  @python
  Scenario: An Instance reports its health more often
    Given an Instance of Sequence "health" in python
    When its monitoring rate is set to 20
    And event "fail" is sent
    Then it becomes unhealthy

  @python
  Scenario: A log tells what the Sequence says
    Given an Instance of Sequence "events" in python
    Then its log has "Waiting for events"

  @python
  Scenario: Input and output are one conversation
    Given an Instance of Sequence "map" in python with arguments [0]
    When a conversation is opened
    Then it answers {"price": 1} with {"price": 1, "gross": 1}
    And it answers {"price": 2} with {"price": 2, "gross": 2}

  @python
  Scenario: Input is sent in parts
    Given an Instance of Sequence "map" in python with arguments [0]
    When the JSON values are sent and the input stays open
      """
      {"price": 1}
      """
    And the JSON values are sent
      """
      {"price": 2}
      """
    Then its output is the JSON values
      """
      {"price": 1, "gross": 1}
      {"price": 2, "gross": 2}
      """

  @python
  Scenario: A Sequence is run from beginning to end
    Given host is running
    When Sequence "greeting" in python is run with arguments ["Ada", "Bob"]
    Then it returns 0 and the text
      """
      Hello, Ada!
      Hello, Bob!
      """
    And nothing of it is left on host
