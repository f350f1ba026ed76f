Feature: Reference Sequences

  Each is there in Python and in JavaScript, and does the same in both.

  Scenario Outline: map in <language>
    Given an Instance of Sequence "map" in <language> with arguments [0.5]
    When the JSON values are sent
      """
      {"name": "tea", "price": 10}
      {"name": "rice", "price": 3}
      """
    Then its output is the JSON values
      """
      {"name": "tea", "price": 10, "gross": 15}
      {"name": "rice", "price": 3, "gross": 4.5}
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: greeting in <language>
    Given an Instance of Sequence "greeting" in <language> configured {"greeting": "Ahoj"}, with arguments ["Ada", "Zoë"]
    Then its output is the text
      """
      Ahoj, Ada!
      Ahoj, Zoë!
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: standard-streams in <language>
    Given an Instance of Sequence "standard-streams" in <language>
    When the text is sent to stdin
      """
      one
      zwölf
      """
    Then its stdout begins with the text
      """
      ONE
      ZWÖLF
      """
    And its stderr begins with the text
      """
      2 lines
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: events in <language>
    Given an Instance of Sequence "events" in <language>
    Then its log has "Waiting for events"
    When event "celsius" is sent with "100"
    Then there is an event "fahrenheit" with 212

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  @since-1.0
  Scenario Outline: stop in <language>
    Given an Instance of Sequence "stop" in <language>
    When the Instance is stopped, and may stay
    Then it has not ended
    When the Instance is stopped, and may stay
    Then it ends as completed
    And its stdout is the text
      """
      finished
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: health in <language>
    Given an Instance of Sequence "health" in <language>
    Then it becomes healthy
    When event "fail" is sent
    Then it becomes unhealthy
    When event "recover" is sent
    Then it becomes healthy

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  @since-1.0
  Scenario Outline: topic-producer in <language>
    Given topic "attic" of type application/x-ndjson
    And an Instance of Sequence "topic-producer" in <language> that writes to the topic
    Then the topic gives the JSON values
      """
      {"sensor": "attic", "reading": 10}
      {"sensor": "attic", "reading": 20}
      {"sensor": "attic", "reading": 30}
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  @since-1.0
  Scenario Outline: topic-consumer in <language>
    Given topic "cellar" of type application/x-ndjson
    And an Instance of Sequence "topic-consumer" in <language> that reads the topic
    When the JSON values are sent to the topic
      """
      {"reading": 4}
      {"reading": 8}
      """
    Then its output begins with the JSON values
      """
      {"count": 1, "mean": 4}
      {"count": 2, "mean": 6}
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  @since-1.0
  Scenario Outline: gzip in <language>
    Given an Instance of Sequence "gzip" in <language>
    When 1000000 random bytes are sent
    Then its output unpacks to these bytes

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: generator in <language>
    Given an Instance of Sequence "generator" in <language> with arguments [7]
    Then its output is the JSON values
      """
      0
      1
      1
      2
      3
      5
      8
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: exception in <language>
    Given an Instance of Sequence "exception" in <language>
    When the JSON values are sent
      """
      1
      -2
      3
      """
    Then its output is the JSON values
      """
      1
      """

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  @since-1.0
  Scenario Outline: exception tells why in <language>
    Given an Instance of Sequence "exception" in <language>
    When the JSON values are sent
      """
      -2
      """
    Then it ends as errored with exit code 23
    And its stderr has "-2 is negative"

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |

  Scenario Outline: endless in <language>
    Given an Instance of Sequence "endless" in <language>
    Then its output begins with the numbers from 1 to 100000

    @python
    Examples:
      | language |
      | python   |

    @javascript
    Examples:
      | language   |
      | javascript |
