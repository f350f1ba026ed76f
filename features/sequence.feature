Feature: Python Sequence-Client BDD tests

  Scenario Outline: Send sequence to host in <language>
    Given host is running
    When Sequence "greeting" in <language> is sent
    Then host has the Sequence
    And host is still running

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario: Get sequence from host
    Given host is running
    When Sequence "greeting" in python is sent
    And asked for the Sequence
    Then returns response with its id and name "greeting"

  Scenario: Delete sequence from host
    Given host is running
    When Sequence "greeting" in python is sent
    And the Sequence is deleted
    Then host has the Sequence no more
    And host is still running

  Scenario Outline: Get output from sequence in <language>
    Given host is running
    When Sequence "greeting" in <language> is sent
    And the Sequence is started with arguments ["Ada"]
    Then its output is the text
      """
      Hello, Ada!
      """
    And host is still running

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario: A package that is none is refused
    Given host is running
    Then sending the bytes "no archive" fails with 422

  @python
  Scenario: A Sequence in use is deleted by force only
    Given an Instance of Sequence "events" in python
    Then deleting the Sequence fails with 409
    When the Sequence is deleted by force
    Then host has the Sequence no more

  @python @since-1.0
  Scenario: A Sequence is overwritten
    Given host is running
    When Sequence "greeting" in python is sent
    And the Sequence is overwritten with "generator" in python
    And the Sequence is started with arguments [3]
    Then its output is the JSON values
      """
      0
      1
      1
      """

  @python @since-1.0
  Scenario: A Sequence is found by its name
    Given host is running
    When Sequence "gzip" in python is sent
    Then the Sequence is found by the name "gzip"
